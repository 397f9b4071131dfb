# MTKT for the demo, two targets with the classes of methods for one. It
# continues from source-only's weights, with one image of each domain, so that
# it takes little time.
_base_ = [
    '../mtda/mtkt_deeplabv2-r101_g2cmi.py',
    '../_base_/demo_several_targets.py',
]
setting = 'g2ci_19'
domains = _base_.demo_domains
protocol = _base_.demo_protocol
protocol['19']['more_metrics'] = [dict(type='EntropyMetric')]
load_from = 'work_dirs/demo/demo_source_only_gta2cs/iter_400.pth'
model = dict(
    segmentor=_base_.demo_segmentor,
    discriminator=dict(base_channels=16),
)
train_dataloader = dict(
    **_base_.demo_workers,
    batch_size=1,
    pin_memory=False,
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_stage_param_scheduler
train_cfg = _base_.demo_stage_train_cfg
default_hooks = dict(
    checkpoint=dict(interval=100),
    consistency=dict(distillation_begin=50, agreement_interval=100),
)
