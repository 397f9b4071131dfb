# CARLA -> CamVid by day, at dusk, or both, ten classes, about 200x150 pixels:
# small enough for a CPU. All are folders with split lists; see
# docs/own_data.md. Augmentation (scale, crop, flip, colour) matters here, with
# a few hundred images.
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_pack = dict(type='PackDomainInputs')
_crop = [
    dict(type='RandomCrop', crop_size=(128, 192), cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
]
_augmentation = [
    *_crop,
    # twice the usual strength: CARLA is one drive under one sky
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=64,
        contrast_range=(0.4, 1.6),
        saturation_range=(0.1, 1.9),
        hue_delta=60,
    ),
    _pack,
]
_scale = dict(
    type='RandomResize',
    scale=(200, 150),
    ratio_range=(1.0, 1.5),
    keep_ratio=True,
)
_resize = dict(type='Resize', scale=(200, 150), keep_ratio=False)
_whole = dict(
    num_classes=10,
    train_pipeline=[
        _load,
        _labels,
        # the bottom sixth shows the ego car
        dict(type='CropFraction', bottom=1 / 6),
        dict(_scale, scale=(240, 150), ratio_range=(0.9, 1.5)),
        *_augmentation,
    ],
    images_pipeline=[_load, _scale, *_augmentation],
    # of training with the target's labels
    exceptions=dict.fromkeys(
        ('camvid', 'day', 'dusk'),
        dict(train_pipeline=[_load, _labels, _scale, *_augmentation]),
    ),
    # labels of the size of the image files, as images are resized at random
    pseudo_labelled_pipeline=[
        _load,
        dict(type='LoadPseudoLabels'),
        _scale,
        *_augmentation,
    ],
    val_pipeline=[_load, _resize, _labels, _pack],
    evaluated=dict(
        batch_size=1,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
    ),
)
label_pipeline = [_load, _resize, _pack]
protocol = dict(
    default=_whole,
    # of methods for one target
    alone=dict(
        _whole, one_target=True, more_metrics=[dict(type='EntropyMetric')]
    ),
    # CoaST and MLCL: strong augmentation takes the place of colour distortion
    # on targets in stage 1.
    soft=dict(
        _whole,
        weak_pipeline=_whole['images_pipeline'],
        images_pipeline=[
            _load,
            _scale,
            dict(type='LoadSoftPseudoLabels'),
            *_crop,
            # MLCL takes the colours of a target from here
            dict(type='KeepWeakImage'),
            dict(type='StrongAugmentation', num_ops=2, prob=0.5),
            dict(type='Cutout', ratio=1 / 3),
            _pack,
        ],
        config=dict(
            pseudo_labels=dict(
                rule=dict(type='KeepAll'),
                pipeline=label_pipeline,
                soft_top_k=0,
                batch_size=8,
                # labels of the training images, to measure the pseudo-labels
                ground_truth='labels',
            )
        ),
    ),
)


def _camvid(light, train, val):
    """Sequences of CamVid; target training does not see val and test."""
    folders = dict(img_path='images', seg_map_path='labels')
    return dict(
        dataset=dict(
            type='CamVidDataset',
            data_root='data/CamVid',
            ann_file=f'{light}.txt',
        ),
        train=dict(folders, include=train),
        val=dict(folders, include=val),
        test=dict(folders, include=['test/*']),
    )


domains = dict(
    carla=dict(
        dataset=dict(
            type='CARLADataset', data_root='data/CARLA', ann_file='train.txt'
        ),
        train=dict(img_path='images', seg_map_path='labels'),
    ),
    camvid=_camvid('day', ['train/*'], ['val/*']),
    day=_camvid('day', ['train/*'], ['val/*']),
    # There is no validation sequence at dusk: the last 18 of the training
    # images serve for it, and target training leaves them out.
    dusk=_camvid(
        'dusk',
        ['train/0001TP_006*', 'train/0001TP_007*'],
        ['train/0001TP_008*'],
    ),
)
settings = dict(
    carla2camvid_day=dict(
        source='carla', targets=['camvid'], protocol='alone'
    ),
    carla2camvid=dict(source='carla', targets=['day', 'dusk']),
    # upper bounds: the targets with their labels as the source
    camvid_day=dict(source='camvid', targets=['camvid'], protocol='alone'),
    camvid=dict(source=['day', 'dusk'], targets=['day', 'dusk']),
    carla2day=dict(source='carla', targets=['day']),
    carla2dusk=dict(source='carla', targets=['dusk']),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
