# Optimisation of the segmentor in ADVENT: SGD 2.5e-4 with ten times that for
# the heads, polynomial decay over 250,000 iterations, stopped at 120,000
# (released configuration of ADVENT; its weight decay of 5e-4 is the code's).
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(
            custom_keys={
                'decode_head': dict(lr_mult=10.0),
                'auxiliary_head': dict(lr_mult=10.0),
            }
        ),
    ),
)
# PolyLR divides by end - begin - 1: end=250001 gives (1 - i / 250000) ** 0.9
param_scheduler = [
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=250001,
        by_epoch=False,
    )
]
train_cfg = dict(type='UDATrainLoop', max_iters=120000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
