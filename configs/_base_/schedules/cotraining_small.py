# Co-training of small networks on a CPU, from random weights: SGD 0.01 and
# polynomial decay. A leaf sets the number of iterations by replacing
# train_cfg and param_scheduler with one of the tables below.
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
    ),
)


def _schedule(iterations, warm_up):
    """Polynomial decay to 0, after a linear warm-up."""
    return [
        dict(
            type='LinearLR',
            start_factor=0.1,
            begin=0,
            end=warm_up,
            by_epoch=False,
        ),
        dict(
            type='PolyLR',
            power=0.9,
            eta_min=0.0,
            begin=warm_up,
            end=iterations + 1,
            by_epoch=False,
        ),
    ]


long_schedule = _schedule(2000, 100)
cycle_schedule = _schedule(500, 25)
# of the demo
demo_long_schedule = _schedule(200, 20)
demo_cycle_schedule = _schedule(40, 4)
train_cfg = dict(type='UDATrainLoop', max_iters=2000, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
