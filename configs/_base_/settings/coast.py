# The data of CoaST (WACV 2023) and MLCL (TCSVT 2024): images of 640x320 (shape
# not kept, Pillow's bilinear filter) scaled by 0.5 to 1.5, crops of half their
# width and height, flips; four images of each domain.
_base_ = './domains.py'
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_flip = dict(type='RandomFlip', prob=0.5)
_pack = dict(type='PackDomainInputs')


def protocol_of(label_set, num_classes, size):
    """Pipelines for images of a size (width, height)."""
    fit = dict(
        scale=size,
        keep_ratio=False,
        interpolation='bilinear',
        backend='pillow',
    )
    resize = dict(type='Resize', **fit)
    scale = dict(type='RandomResize', ratio_range=(0.5, 1.5), **fit)
    crop = dict(
        type='RandomCrop',
        crop_size=(size[1] // 2, size[0] // 2),  # height, width
        cat_max_ratio=1.0,
    )
    # 60 labels of the public GTA5 differ in size from their images, and all
    # of Synscapes (1440x720)
    resized_labels = dict(
        train_pipeline=[
            _load,
            dict(_labels, resize_mismatch=True),
            scale,
            crop,
            _flip,
            _pack,
        ]
    )
    return dict(
        label_set=label_set,
        num_classes=num_classes,
        train_pipeline=[_load, _labels, scale, crop, _flip, _pack],
        # Of the warm-up: weak augmentation and no pseudo-labels, as in the
        # published code.
        weak_pipeline=[_load, scale, crop, _flip, _pack],
        # Of stage 1. Its strong augmentation flips a second time in the
        # published code, which changes nothing.
        images_pipeline=[
            _load,
            scale,
            dict(type='LoadSoftPseudoLabels'),
            crop,
            _flip,
            # MLCL takes the colours of a target from here
            dict(type='KeepWeakImage'),
            dict(type='StrongAugmentation', num_ops=2, prob=0.5),
            dict(type='Cutout', ratio=1 / 3),
            _pack,
        ],
        # Labels keep their size: logits are resized to it. The published code
        # resizes labels to 640x320 instead, as --protocol published does.
        val_pipeline=[_load, resize, _labels, _pack],
        evaluated=dict(
            batch_size=1,
            num_workers=4,
            persistent_workers=True,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        exceptions=dict(gta5=resized_labels, synscapes=resized_labels),
        # The probabilities of all classes are saved; methods choose pixels
        # themselves.
        config=dict(
            pseudo_labels=dict(
                rule=dict(type='KeepAll'),
                pipeline=[_load, resize, _pack],
                order='softmax_first',
                soft_top_k=0,
                batch_size=8,
            )
        ),
    )


protocol = {
    # 'seven_class_consistent' treats terrain, bridges, guard rails and
    # billboards alike in all data sets; published numbers are of 'seven_class'
    'default': protocol_of('seven_class', 7, (640, 320)),
    # of MLCL with SegFormer
    '960x480': protocol_of('seven_class', 7, (960, 480)),
    '19': protocol_of('cityscapes19', 19, (1024, 512)),
}
protocol['19']['exceptions']['idd'] = dict(
    metric=dict(subsets=dict(mIoU18=_base_.without_train))
)
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
