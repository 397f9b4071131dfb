# As small_1000_pretrained.py in twice the time, for methods that learn the
# source alone for the first half of it, and for what they are compared with.
_base_ = './small_1000_pretrained.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=50,
        end=2001,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=2000)
