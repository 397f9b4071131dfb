# As demo.py, for several targets: toy Cityscapes, Mapillary Vistas and IDD.
_base_ = './demo.py'
_demo_load = dict(type='LoadImage')
_demo_fit = _base_.demo_target.pipeline[1]
_demo_pack = dict(type='PackDomainInputs')
_demo_flip = dict(type='RandomFlip', prob=0.5)
_demo_roots = dict(
    cityscapes='data/demo/Cityscapes',
    mapillary='data/demo/Mapillary',
    idd='data/demo/IDD',
)
demo_targets = {
    name: dict(
        data_root=root,
        pipeline=[_demo_load, _demo_fit, _demo_flip, _demo_pack],
    )
    for name, root in _demo_roots.items()
}
# CoaST and MLCL learn from probabilities, under strong augmentation.
demo_soft_targets = {
    name: dict(
        data_root=root,
        pipeline=[
            _demo_load,
            _demo_fit,
            dict(type='LoadSoftPseudoLabels'),
            _demo_flip,
            dict(type='KeepWeakImage'),
            dict(type='StrongAugmentation', num_ops=2, prob=0.5),
            dict(type='Cutout', ratio=1 / 3),
            _demo_pack,
        ],
    )
    for name, root in _demo_roots.items()
}
demo_evaluation = {
    name: dict(
        data_root=root,
        pipeline=[
            _demo_load,
            _demo_fit,
            dict(type='LoadLabels'),
            dict(type='PackSegInputs'),
        ],
    )
    for name, root in _demo_roots.items()
}
# The heads of CoaST and MLCL on the same features; batch norm learns.
demo_multi_head_segmentor = dict(
    backbone=dict(
        _base_.demo_segmentor.backbone, out_indices=(2,), norm_eval=False
    ),
    decode_head=dict(in_channels=128, channels=64),
)
# The two stages together take as many iterations as other methods.
demo_stage_param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=50,
        end=201,
        by_epoch=False,
    ),
]
demo_stage_train_cfg = dict(max_iters=200, val_interval=100)
demo_stage_hooks = dict(
    checkpoint=dict(interval=100),
    consistency=dict(
        refresh=dict(begin=0, interval=100, end=100), agreement_interval=100
    ),
)
