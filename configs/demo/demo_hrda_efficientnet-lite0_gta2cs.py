# HRDA on the demo's streets at twice their usual size, on the pretrained
# network, from source only, which has no attention of scales:
# --load-from CHECKPOINT of demo_source_only_efficientnet-lite0_gta2cs.py.
_base_ = [
    '../hrda/hrda_efficientnet-lite0_idda2cs256.py',
    '../_base_/demo_pretrained.py',
]
setting = 'streets_large'
model = dict(warmup_iters=0)
param_scheduler = _base_.pretrained_scheduler
train_cfg = _base_.pretrained_train_cfg
default_hooks = dict(
    checkpoint=dict(new_parts=['attention_head'], interval=100)
)
# pictures of what is learned while it is learned
custom_hooks = [
    dict(hook, interval=100)
    if hook['type'] == 'DomainVisualizationHook'
    else hook
    for hook in _base_.custom_hooks
]
