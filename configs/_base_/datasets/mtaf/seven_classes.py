# The data of MTAF (ICCV 2021): whole images of 640x320 (Pillow's bicubic
# filter; Vistas keeps its shape and is padded), no augmentation, one image of
# each domain. A setting such as g2ci.py chooses from the tables labelled
# (sources), unlabelled (targets), evaluated and metrics.
_base_ = '../domains.py'
# 'seven_class_consistent' treats terrain, bridges, guard rails and billboards
# alike in all data sets; published numbers are of 'seven_class'.
label_set = 'seven_class'
num_classes = 7
size = (640, 320)
_load = dict(type='LoadImage')
_resize = dict(
    type='Resize',
    scale=size,
    keep_ratio=False,
    interpolation='bicubic',
    backend='pillow',
)
_fit = {name: [_resize] for name in _base_.domains}
_fit['mapillary'] = [
    dict(type='ResizeToFit', scale=size),
    dict(type='PadToSize', size=size),
]
_pack = dict(type='PackDomainInputs')
_pack_test = {name: dict(type='PackSegInputs') for name in _base_.domains}
_pack_test['mapillary'] = dict(
    type='PackSegInputs',
    # padding_size: predictions leave the padding out
    meta_keys=(
        'img_path',
        'seg_map_path',
        'ori_shape',
        'img_shape',
        'pad_shape',
        'padding_size',
        'scale_factor',
        'flip',
        'flip_direction',
        'reduce_zero_label',
    ),
)
labelled = {
    name: dict(
        data_prefix=domain.train,
        label_set=label_set,
        pipeline=[
            _load,
            # 60 labels of the public GTA5 differ in size from their images
            dict(type='LoadLabels', resize_mismatch=name == 'gta5'),
            *_fit[name],
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
        pipeline=[_load, *_fit[name], _pack],
        **domain.dataset,
    )
    for name, domain in _base_.domains.items()
}
# Labels keep their size: logits are resized to it. MTAF's code resizes those
# of Cityscapes and IDD to 640x320 instead, as --protocol published does.
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
                *_fit[name],
                dict(type='LoadLabels'),
                _pack_test[name],
            ],
            **domain.dataset,
        ),
    )
    for name, domain in _base_.domains.items()
    if 'val' in domain
}
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
