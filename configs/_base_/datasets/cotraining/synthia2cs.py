# SYNTHIA-RAND-CITYSCAPES -> Cityscapes, 16 classes, also reported on 13
# (without wall, fence and pole).
_base_ = './protocol.py'
label_set = 'synthia16'
source_dataset = _base_.sources.synthia
target_dataset = dict(_base_.targets.cityscapes, label_set=label_set)
train_dataloader = dict(
    dataset=dict(source=source_dataset, target=target_dataset)
)
val_dataloader = test_dataloader = dict(
    _base_.evaluated.cityscapes,
    dataset=dict(_base_.evaluated.cityscapes.dataset, label_set=label_set),
)
val_evaluator = test_evaluator = dict(
    _base_.metrics.cityscapes,
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
    ),
)
