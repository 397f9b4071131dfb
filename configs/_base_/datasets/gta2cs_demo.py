# The demo's street scenes in the layouts of GTA5 and Cityscapes, at a size for
# a CPU. Only roots, sizes and batch differ from gta2cs.py, and that images are
# flipped at random.
_base_ = './gta2cs.py'
resize = dict(
    type='Resize',
    keep_ratio=False,
    interpolation='bicubic',
    backend='pillow',
)
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(scale=(256, 144), **resize),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=(256, 128), **resize),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(scale=(256, 128), **resize),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2,
    # loading takes a tenth of the time; both cores compute
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(
        source=dict(data_root='data/demo/GTA5', pipeline=source_pipeline),
        target=dict(
            data_root='data/demo/Cityscapes', pipeline=target_pipeline
        ),
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/demo/Cityscapes', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
# replaces the single metric of gta2cs.py
val_evaluator = [
    dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='cityscapes'),
    dict(type='EntropyMetric', prefix='cityscapes'),
]
test_evaluator = val_evaluator
