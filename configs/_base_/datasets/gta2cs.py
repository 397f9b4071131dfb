# GTA5 -> Cityscapes as in ADVENT: whole images, source resized to 1280x720 and
# target to 1024x512 (Pillow's bicubic filter), no augmentation, one image of
# each domain an iteration. Target labels are needed for validation only.
source_size = (1280, 720)
target_size = (1024, 512)
resize = dict(
    type='Resize',
    keep_ratio=False,
    interpolation='bicubic',
    backend='pillow',
)
source_pipeline = [
    dict(type='LoadImage'),
    # 60 labels of the public GTA5 differ in size from their images
    dict(type='LoadLabels', resize_mismatch=True),
    dict(scale=source_size, **resize),
    dict(type='PackDomainInputs'),
]
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=target_size, **resize),
    dict(type='PackDomainInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(scale=target_size, **resize),
    # after Resize, so that it keeps its own size
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
source_dataset = dict(
    type='GTA5Dataset',
    data_root='data/GTA5',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    pipeline=source_pipeline,
)
target_dataset = dict(
    type='CityscapesLabelIdsDataset',
    data_root='data/Cityscapes',
    data_prefix=dict(img_path='leftImg8bit/train'),
    pipeline=target_pipeline,
)
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(
        type='DomainDataset', source=source_dataset, target=target_dataset
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesLabelIdsDataset',
        data_root='data/Cityscapes',
        data_prefix=dict(
            img_path='leftImg8bit/val', seg_map_path='gtFine/val'
        ),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='cityscapes'
)
test_evaluator = val_evaluator
