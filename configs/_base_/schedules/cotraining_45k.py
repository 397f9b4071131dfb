# As cotraining.py over 45,000 iterations: the baseline of GTA5 + Synscapes.
_base_ = './cotraining.py'
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, begin=0, end=1001, by_epoch=False
    ),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=45001,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=45000, val_interval=5000)
