# Optimisation of CoaST's stage 1: SGD 1e-4 with ten times that for the
# agnostic head, weight decay 2e-4, polynomial decay over 60,000 iterations.
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=1e-4, momentum=0.9, weight_decay=2e-4),
        # the agnostic head alone is new
        paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=10.0)}),
    ),
)
param_scheduler = [
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=60001,
        by_epoch=False,
    )
]
train_cfg = dict(type='UDATrainLoop', max_iters=60000, val_interval=2000)
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
