# ADVENT's optimisation for SYNTHIA: the schedule ends at 90,000 iterations
# (authors' answer to users; the released configurations cover GTA5 only).
_base_ = './advent.py'
param_scheduler = [
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=90001,
        by_epoch=False,
    )
]
train_cfg = dict(max_iters=90000)
