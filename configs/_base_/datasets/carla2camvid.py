# CARLA -> CamVid (day), ten classes, about 200x150 pixels: small enough for a
# CPU. Both are folders with split lists; see docs/own_data.md. Augmentation
# (scale, crop, flip, colour) matters here, with a few hundred images.
crop_size = (128, 192)
augmentation = [
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
    # twice the usual strength: CARLA is one drive under one sky
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=64,
        contrast_range=(0.4, 1.6),
        saturation_range=(0.1, 1.9),
        hue_delta=60,
    ),
    dict(type='PackDomainInputs'),
]
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    # the bottom sixth shows the ego car
    dict(type='CropFraction', bottom=1 / 6),
    dict(
        type='RandomResize',
        scale=(240, 150),
        ratio_range=(0.9, 1.5),
        keep_ratio=True,
    ),
    *augmentation,
]
target_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='RandomResize',
        scale=(200, 150),
        ratio_range=(1.0, 1.5),
        keep_ratio=True,
    ),
    *augmentation,
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(200, 150), keep_ratio=False),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(
        type='DomainDataset',
        source=dict(
            type='CARLADataset',
            data_root='data/CARLA',
            ann_file='train.txt',
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            pipeline=source_pipeline,
        ),
        target=dict(
            type='CamVidDataset',
            data_root='data/CamVid',
            ann_file='day.txt',
            include=['train/*'],
            data_prefix=dict(img_path='images'),
            pipeline=target_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CamVidDataset',
        data_root='data/CamVid',
        ann_file='day.txt',
        # val and test are sequences that target training does not see
        include=['val/*'],
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(val_dataloader['dataset'], include=['test/*']),
)
val_evaluator = [
    dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='camvid'),
    dict(type='EntropyMetric', prefix='camvid'),
]
test_evaluator = val_evaluator
