# The demo's GTA5 and Cityscapes scenes, small; batches as in gta2cs.
_base_ = './cotraining.py'
_resize = dict(
    type='Resize', keep_ratio=False, interpolation='bicubic', backend='pillow'
)
_augment = [
    dict(type='RandomCrop', crop_size=(128, 256)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]
_target = [dict(type='LoadImage'), dict(scale=(256, 128), **_resize)]
# loading takes a tenth of the time; both cores compute
_workers = dict(num_workers=0, persistent_workers=False)
domains = dict(
    gta5=dict(dataset=dict(data_root='data/demo/GTA5')),
    cityscapes=dict(dataset=dict(data_root='data/demo/Cityscapes')),
)
protocol = dict(
    gta2cs=dict(
        sampling=dict(min_pixels=200),
        train_pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadLabels'),
            dict(scale=(256, 144), **_resize),
            *_augment,
        ],
        images_pipeline=[*_target, dict(type='LoadPseudoLabels'), *_augment],
        val_pipeline=[
            *_target,
            dict(type='LoadLabels'),
            dict(type='PackSegInputs'),
        ],
        evaluated=_workers,
    )
)
train_dataloader = dict(
    pin_memory=False,
    dataset=dict(samples=dict(source=4, target=2)),
    **_workers,
)
pseudo_labels = dict(
    pipeline=[*_target, dict(type='PackDomainInputs')],
    original_size=False,
    batch_size=4,
    num_workers=0,
)
