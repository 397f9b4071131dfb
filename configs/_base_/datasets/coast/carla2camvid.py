# CARLA -> CamVid by day and at dusk for CoaST and MLCL: strong augmentation
# takes the place of colour distortion on targets in stage 1.
_base_ = '../mtaf/carla2camvid.py'
_load = dict(type='LoadImage')
warm_up_pipeline = _base_.target_pipeline
target_pipeline = [
    _load,
    dict(
        type='RandomResize',
        scale=(200, 150),
        ratio_range=(1.0, 1.5),
        keep_ratio=True,
    ),
    dict(type='LoadSoftPseudoLabels'),
    dict(type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
    # MLCL takes the colours of a target from here
    dict(type='KeepWeakImage'),
    dict(type='StrongAugmentation', num_ops=2, prob=0.5),
    dict(type='Cutout', ratio=1 / 3),
    dict(type='PackDomainInputs'),
]
train_dataloader = dict(
    dataset=dict(
        targets={
            name: dict(pipeline=target_pipeline) for name in _base_.targets
        }
    )
)
pseudo_labels = dict(
    rule=dict(type='KeepAll'),
    pipeline=[
        _load,
        dict(type='Resize', scale=(200, 150), keep_ratio=False),
        dict(type='PackDomainInputs'),
    ],
    soft_top_k=0,
    batch_size=8,
    # labels of the training images, to measure the pseudo-labels
    ground_truth='labels',
)
