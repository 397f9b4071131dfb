# DACS on the demo's streets, on the pretrained network, from source only:
# --load-from CHECKPOINT of demo_source_only_efficientnet-lite0_gta2cs.py.
_base_ = [
    '../dacs/dacs_efficientnet-lite0_idda2cs256.py',
    '../_base_/demo_pretrained.py',
]
setting = 'streets_rare'
model = dict(warmup_iters=0)
param_scheduler = _base_.pretrained_scheduler
train_cfg = _base_.pretrained_train_cfg
default_hooks = _base_.pretrained_hooks
# pictures of what is learned while it is learned
custom_hooks = [
    dict(hook, interval=100)
    if hook['type'] == 'DomainVisualizationHook'
    else hook
    for hook in _base_.custom_hooks
]
