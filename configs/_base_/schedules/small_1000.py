# As small_2000.py in half the time, evaluated on every target: one of the two
# stages of CoaST and MLCL.
_base_ = './small_2000.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=100, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=100,
        end=1001,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=1000)
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
