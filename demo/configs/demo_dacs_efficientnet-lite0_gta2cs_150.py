# DACS of make demo: 150 iterations from the weights of source only.
_base_ = [
    '../../configs/demo/demo_dacs_efficientnet-lite0_gta2cs.py',
    './short.py',
]
load_from = _base_.short_start
param_scheduler = _base_.short_scheduler
train_cfg = _base_.short_train_cfg
default_hooks = _base_.short_hooks
