# DACS for the demo: the real method on the network of demo.py. It continues
# from source-only's weights, so that it takes little time. Images of both
# domains are mixed and so have one size.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/dacs.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
    '../_base_/demo.py',
]
setting = 'gta2cs'
load_from = 'work_dirs/demo/demo_source_only_gta2cs/iter_400.pth'
model = dict(segmentor=_base_.demo_segmentor)
_load, _labels, _fit, *_augment = _base_.demo_source.pipeline
_crop = dict(type='RandomCrop', crop_size=(128, 256))
train_dataloader = dict(
    dataset=dict(
        source=dict(
            data_root=_base_.demo_source.data_root,
            pipeline=[_load, _labels, _fit, _crop, *_augment],
        ),
        target=_base_.demo_target,
    ),
    **_base_.demo_loader,
)
optim_wrapper = dict(segmentor=_base_.demo_sgd)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=20,
        end=151,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=150, val_interval=150)
val_dataloader = _base_.demo_val_dataloader
test_dataloader = val_dataloader
val_evaluator = _base_.demo_evaluator
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=50))
