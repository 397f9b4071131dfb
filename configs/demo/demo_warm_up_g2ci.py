# The warm-up of CoaST and MLCL for the demo, two targets: the real
# configuration with the sizes of demo_several_targets.py.
_base_ = [
    '../mtda/warm_up_aspp-r101_g2cmi.py',
    '../_base_/demo_several_targets.py',
]
setting = 'g2ci'
domains = _base_.demo_domains
protocol = _base_.demo_protocol
model = dict(
    warmup_iters=100,
    segmentor=_base_.demo_multi_head_segmentor,
    discriminator=dict(base_channels=16),
)
train_dataloader = dict(
    **_base_.demo_loader,
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_stage_param_scheduler
train_cfg = _base_.demo_stage_train_cfg
default_hooks = dict(checkpoint=dict(interval=100))
