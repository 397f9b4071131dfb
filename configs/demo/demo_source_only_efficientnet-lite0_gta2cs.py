# Source only on the demo's streets, on the pretrained network: what
# demo_dacs_efficientnet-lite0_gta2cs.py and the like begin with, and, trained
# for as long again (--load-from), what they have to beat.
_base_ = [
    '../advent/source_only_efficientnet-lite0_idda2cs256.py',
    '../_base_/demo_pretrained.py',
]
setting = 'streets_rare'
param_scheduler = _base_.pretrained_scheduler
train_cfg = _base_.pretrained_train_cfg
train_dataloader = dict(batch_size=2)
default_hooks = _base_.pretrained_hooks
# pictures of what is learned while it is learned
custom_hooks = [
    dict(hook, interval=100)
    if hook['type'] == 'DomainVisualizationHook'
    else hook
    for hook in _base_.custom_hooks
]
