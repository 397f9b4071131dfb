# Optimisation of the baseline and of the final model in Co-Training (Sensors
# 2023): SGD 0.002, momentum 0.9, weight decay 1e-4 but for norm layers, linear
# warm-up from a thousandth over 1,000 iterations, polynomial decay over 60,000
# (released configuration; its steps have no effect). Meant for 4 images of
# 512x1024 an iteration in all.
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=1e-4),
        paramwise_cfg=dict(norm_decay_mult=0.0),
    ),
)
# Both divide by end - begin - 1: at iteration i the rate is that of the decay,
# (1 - i / 60000) ** 0.9, times that of the warm-up.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, begin=0, end=1001, by_epoch=False
    ),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=60001,
        by_epoch=False,
    ),
]
train_cfg = dict(type='UDATrainLoop', max_iters=60000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
