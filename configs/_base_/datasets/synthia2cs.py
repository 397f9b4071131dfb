# SYNTHIA-RAND-CITYSCAPES -> Cityscapes, 16 classes, also reported on 13
# (without wall, fence and pole). Source size 1280x760 as in the authors' DADA
# release.
_base_ = './gta2cs.py'
source_size = (1280, 760)
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(
        type='Resize',
        scale=source_size,
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackDomainInputs'),
]
train_dataloader = dict(
    dataset=dict(
        source=dict(
            type='SYNTHIADataset',
            data_root='data/SYNTHIA',
            data_prefix=dict(img_path='RGB', seg_map_path='GT/LABELS'),
            pipeline=source_pipeline,
        ),
        target=dict(label_set='synthia16'),
    )
)
val_dataloader = dict(dataset=dict(label_set='synthia16'))
test_dataloader = val_dataloader
val_evaluator = dict(
    subsets=dict(
        mIoU13=[
            'road',
            'sidewalk',
            'building',
            'traffic light',
            'traffic sign',
            'vegetation',
            'sky',
            'person',
            'rider',
            'car',
            'bus',
            'motorcycle',
            'bicycle',
        ]
    )
)
test_evaluator = val_evaluator
