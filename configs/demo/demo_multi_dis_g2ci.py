# Multi-Dis for the demo, two targets: the real configuration with the sizes of
# demo_several_targets.py.
_base_ = [
    '../mtda/multi_dis_deeplabv2-r101_g2ci.py',
    '../_base_/demo_several_targets.py',
]
domains = _base_.demo_domains
protocol = _base_.demo_protocol
model = dict(
    warmup_iters=_base_.demo_warmup_iters,
    segmentor=_base_.demo_segmentor,
    discriminator=dict(base_channels=16),
)
train_dataloader = dict(
    **_base_.demo_loader,
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_param_scheduler
train_cfg = _base_.demo_train_cfg
default_hooks = _base_.demo_hooks
