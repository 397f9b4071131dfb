# As cotraining.py over 8,000 iterations: one cycle of self-training or of
# co-training. Each starts from the baseline's or the branch's first weights.
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
        end=8001,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=8000, val_interval=8000)
