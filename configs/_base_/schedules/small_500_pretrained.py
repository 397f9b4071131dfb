# As small_1000_pretrained.py in half the time: one of the two stages of CoaST
# and MLCL, which together have the iterations of other methods.
_base_ = './small_1000_pretrained.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=50,
        end=501,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=500)
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
