# The demo's GTA5 and Cityscapes scenes, small; batches as in gta2cs.py.
_base_ = './gta2cs.py'
_resize = dict(
    type='Resize', keep_ratio=False, interpolation='bicubic', backend='pillow'
)
_augment = [
    dict(type='RandomCrop', crop_size=(128, 256)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]
_target = [dict(type='LoadImage'), dict(scale=(256, 128), **_resize)]
source_dataset = dict(
    _base_.source_dataset,
    data_root='data/demo/GTA5',
    pipeline=[
        dict(type='LoadImage'),
        dict(type='LoadLabels'),
        dict(scale=(256, 144), **_resize),
        *_augment,
    ],
)
target_dataset = dict(
    _base_.target_dataset,
    data_root='data/demo/Cityscapes',
    pipeline=[*_target, dict(type='LoadPseudoLabels'), *_augment],
)
# loading takes a tenth of the time; both cores compute
demo_workers = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainDataset',
        source=source_dataset,
        target=target_dataset,
        samples=_base_.class_mix_samples,
    ),
    pin_memory=False,
    **demo_workers,
)
val_dataloader = dict(
    dataset=dict(
        data_root='data/demo/Cityscapes',
        pipeline=[
            *_target,
            dict(type='LoadLabels'),
            dict(type='PackSegInputs'),
        ],
    ),
    **demo_workers,
)
test_dataloader = val_dataloader
pseudo_labels = dict(
    pipeline=[*_target, dict(type='PackDomainInputs')],
    original_size=False,
    batch_size=4,
    num_workers=0,
)
