# MTKT for the demo, two targets: the real configuration with the sizes of
# demo_several_targets.py.
_base_ = ['../mtda/mtkt/g2ci.py', '../_base_/demo_several_targets.py']
model = dict(
    warmup_iters=_base_.demo_warmup_iters,
    segmentor=_base_.demo_segmentor,
    discriminator=dict(base_channels=16),
)
train_dataloader = dict(
    dataset=dict(
        source=_base_.demo_source,
        targets={name: _base_.demo_targets[name] for name in _base_.targets},
    ),
    **_base_.demo_loader,
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = _base_.demo_param_scheduler
train_cfg = _base_.demo_train_cfg
val_dataloader = test_dataloader = [
    dict(
        _base_.evaluated[name],
        dataset=dict(
            _base_.evaluated[name].dataset, **_base_.demo_evaluation[name]
        ),
        **_base_.demo_workers,
    )
    for name in _base_.targets
]
default_hooks = dict(
    checkpoint=_base_.demo_hooks.checkpoint,
    consistency=dict(distillation_begin=200, agreement_interval=100),
)
