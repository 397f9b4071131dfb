# The data of CoaST (WACV 2023) and MLCL (TCSVT 2024): images of 640x320 (shape
# not kept, Pillow's bilinear filter) scaled by 0.5 to 1.5, crops of 320x160,
# flips; four images of each domain. A setting such as g2ci.py chooses from the
# tables labelled (sources), unlabelled (targets), evaluated and metrics.
_base_ = '../domains.py'
# 'seven_class_consistent' treats terrain, bridges, guard rails and billboards
# alike in all data sets; published numbers are of 'seven_class'.
label_set = 'seven_class'
num_classes = 7
size = (640, 320)
crop_size = (160, 320)  # height, width
_load = dict(type='LoadImage')
_fit = dict(
    scale=size, keep_ratio=False, interpolation='bilinear', backend='pillow'
)
_resize = dict(type='Resize', **_fit)
_scale = dict(type='RandomResize', ratio_range=(0.5, 1.5), **_fit)
_crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0)
_flip = dict(type='RandomFlip', prob=0.5)
_pack = dict(type='PackDomainInputs')
# Of the warm-up: weak augmentation and no pseudo-labels, as in the published
# code.
warm_up_pipeline = [_load, _scale, _crop, _flip, _pack]
# Of stage 1. Its strong augmentation flips a second time in the published
# code, which changes nothing.
target_pipeline = [
    _load,
    _scale,
    dict(type='LoadSoftPseudoLabels'),
    _crop,
    _flip,
    # MLCL takes the colours of a target from here
    dict(type='KeepWeakImage'),
    dict(type='StrongAugmentation', num_ops=2, prob=0.5),
    dict(type='Cutout', ratio=1 / 3),
    _pack,
]
labelled = {
    name: dict(
        data_prefix=domain.train,
        label_set=label_set,
        pipeline=[
            _load,
            # 60 labels of the public GTA5 differ in size from their images
            dict(type='LoadLabels', resize_mismatch=name == 'gta5'),
            _scale,
            _crop,
            _flip,
            _pack,
        ],
        **domain.dataset,
    )
    for name, domain in _base_.domains.items()
}
unlabelled = {
    name: dict(
        data_prefix=dict(img_path=domain.train.img_path),
        label_set=label_set,
        pipeline=target_pipeline,
        **domain.dataset,
    )
    for name, domain in _base_.domains.items()
}
# Labels keep their size: logits are resized to it. The published code resizes
# labels to 640x320 instead, as --protocol published does.
evaluated = {
    name: dict(
        batch_size=1,
        num_workers=4,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            data_prefix=domain.val,
            label_set=label_set,
            test_mode=True,
            pipeline=[
                _load,
                _resize,
                dict(type='LoadLabels'),
                dict(type='PackSegInputs'),
            ],
            **domain.dataset,
        ),
    )
    for name, domain in _base_.domains.items()
    if 'val' in domain
}
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
# The probabilities of all classes are saved; methods choose pixels themselves.
pseudo_labels = dict(
    rule=dict(type='KeepAll'),
    pipeline=[_load, _resize, _pack],
    order='softmax_first',
    soft_top_k=0,
    batch_size=8,
)
