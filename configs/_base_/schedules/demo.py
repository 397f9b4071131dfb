# For the demo: 600 iterations, of which AdvEnt and MinEnt spend 300 on the
# source alone.
_base_ = './small_2000.py'
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.02)))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=50,
        end=601,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=600, val_interval=300)
