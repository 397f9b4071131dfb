# As demo.py, for several targets: toy Cityscapes, Mapillary Vistas and IDD.
_base_ = './demo.py'
_demo_load = dict(type='LoadImage')
_demo_fit = _base_.demo_target.pipeline[1]
_demo_pack = dict(type='PackDomainInputs')
_demo_flip = dict(type='RandomFlip', prob=0.5)
_demo_roots = dict(
    gta5='data/demo/GTA5',
    cityscapes='data/demo/Cityscapes',
    mapillary='data/demo/Mapillary',
    idd='data/demo/IDD',
)
demo_domains = {
    name: dict(dataset=dict(data_root=root))
    for name, root in _demo_roots.items()
}


def demo_protocol_of(label_set, num_classes):
    """All images in the sizes of the demo."""
    return dict(
        label_set=label_set,
        num_classes=num_classes,
        train_pipeline=_base_.demo_source.pipeline,
        images_pipeline=[_demo_load, _demo_fit, _demo_flip, _demo_pack],
        weak_pipeline=[_demo_load, _demo_fit, _demo_flip, _demo_pack],
        # CoaST and MLCL learn from probabilities, under strong augmentation.
        soft_pipeline=[
            _demo_load,
            _demo_fit,
            dict(type='LoadSoftPseudoLabels'),
            _demo_flip,
            dict(type='KeepWeakImage'),
            dict(type='StrongAugmentation', num_ops=2, prob=0.5),
            dict(type='Cutout', ratio=1 / 3),
            _demo_pack,
        ],
        val_pipeline=[
            _demo_load,
            _demo_fit,
            dict(type='LoadLabels'),
            dict(type='PackSegInputs'),
        ],
        evaluated=_base_.demo_workers,
        exceptions=dict(
            gta5=dict(_delete_=True),
            synscapes=dict(_delete_=True),
            mapillary=dict(_delete_=True),
        ),
    )


demo_protocol = {
    'default': demo_protocol_of('seven_class', 7),
    '19': demo_protocol_of('cityscapes19', 19),
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
