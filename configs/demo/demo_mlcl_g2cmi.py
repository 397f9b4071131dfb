# MLCL for the demo, three targets: the real configuration with the sizes of
# demo_several_targets.py.
_base_ = [
    '../mtda/mlcl_aspp-r101_g2cmi.py',
    '../_base_/demo_several_targets.py',
]
domains = _base_.demo_domains
protocol = _base_.demo_protocol
target_images = 'soft'
self_training = dict(initial='demo_warm_up_g2ci.py')
load_from = 'work_dirs/demo/demo_warm_up_{setting}/iter_200.pth'
model = dict(
    segmentor=_base_.demo_multi_head_segmentor,
)
train_dataloader = dict(
    **_base_.demo_loader,
)
pseudo_labels = _base_.demo_pseudo_labels
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_stage_param_scheduler
train_cfg = _base_.demo_stage_train_cfg
default_hooks = _base_.demo_stage_hooks
