# Optimisation of the warm-up of CoaST and MLCL: SGD 2.5e-4 with ten times that
# for the heads, Adam 1e-4 for the discriminators, polynomial decay over 60,000
# iterations. The weight decay is CoaST's; MLCL's code has 1e-4.
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=2e-4),
        paramwise_cfg=dict(
            custom_keys={
                'decode_head': dict(lr_mult=10.0),
                'target_heads': dict(lr_mult=10.0),
            }
        ),
    ),
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    ),
)
# PolyLR divides by end - begin - 1: end=60001 gives (1 - i / 60000) ** 0.9
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
# the agnostic head learns nothing yet: each target is predicted by its own
val_cfg = dict(type='MultiTargetValLoop', own_heads=True)
test_cfg = dict(type='MultiTargetTestLoop', own_heads=True)
