# Source only for the demo: the real configuration with the sizes of demo.py.
_base_ = ['../advent/source_only_gta2cs.py', '../_base_/demo.py']
model = dict(segmentor=_base_.demo_segmentor)
train_dataloader = dict(
    dataset=dict(source=_base_.demo_source), **_base_.demo_loader
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_param_scheduler
train_cfg = _base_.demo_train_cfg
val_dataloader = _base_.demo_val_dataloader
test_dataloader = val_dataloader
val_evaluator = _base_.demo_evaluator
test_evaluator = val_evaluator
default_hooks = _base_.demo_hooks
