# MinEnt of make demo: 150 iterations from the weights of source only.
_base_ = [
    '../../configs/advent/minent_efficientnet-lite0_idda2cs256.py',
    './short.py',
]
setting = 'streets_rare'
model = dict(warmup_iters=0)
load_from = _base_.short_start
param_scheduler = _base_.short_scheduler
train_cfg = _base_.short_train_cfg
default_hooks = _base_.short_hooks
