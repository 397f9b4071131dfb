# ESL for the demo: the real configuration with the sizes of demo.py.
_base_ = ['../esl/esl_gta2cs.py', '../_base_/demo.py']
self_training = dict(initial='demo_advent_gta2cs.py')
pseudo_labels = _base_.demo_pseudo_labels
model = dict(
    warmup_iters=_base_.demo_warmup_iters,
    segmentor=_base_.demo_segmentor,
    discriminator=dict(base_channels=16),
)
train_dataloader = dict(
    dataset=dict(
        source=_base_.demo_source, target=_base_.demo_labelled_target
    ),
    **_base_.demo_loader,
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_param_scheduler
train_cfg = _base_.demo_train_cfg
val_dataloader = _base_.demo_val_dataloader
test_dataloader = val_dataloader
val_evaluator = _base_.demo_evaluator
test_evaluator = val_evaluator
default_hooks = _base_.demo_hooks
