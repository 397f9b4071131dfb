# For small networks with weights of ImageNet, on a CPU: AdamW with a tenth of
# the heads' rate for the backbone, polynomial decay over 1,000 iterations. All
# methods average weights, and are tested on the average, over the last hundred
# iterations: the published 0.999 would hardly leave the start in so few.
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.01
        ),
        paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}),
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=50,
        end=1001,
        by_epoch=False,
    ),
]
model = dict(teacher=dict(momentum=0.99), predict_on='teacher')
train_cfg = dict(type='UDATrainLoop', max_iters=1000, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
