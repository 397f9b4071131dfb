# The data of MTAF (ICCV 2021): whole images of 640x320 (Pillow's bicubic
# filter; Vistas keeps its shape and is padded), no augmentation, one image of
# each domain. MTAF is published with seven classes only; the size with
# nineteen is that of CoaST and MLCL.
_base_ = './domains.py'


def protocol_of(label_set, num_classes, size):
    """Pipelines for images of a size (width, height)."""
    load, pack = dict(type='LoadImage'), dict(type='PackDomainInputs')
    labels = dict(type='LoadLabels')
    resize = dict(
        type='Resize',
        scale=size,
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    )
    # 60 labels of the public GTA5 differ in size from their images, and all
    # of Synscapes (1440x720)
    resized_labels = dict(
        train_pipeline=[
            load,
            dict(labels, resize_mismatch=True),
            resize,
            pack,
        ]
    )
    fit = [
        dict(type='ResizeToFit', scale=size),
        dict(type='PadToSize', size=size),
    ]
    # padding_size: predictions leave the padding out
    pack_padded = dict(
        type='PackSegInputs',
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
    return dict(
        label_set=label_set,
        num_classes=num_classes,
        train_pipeline=[load, labels, resize, pack],
        images_pipeline=[load, resize, pack],
        # Labels keep their size: logits are resized to it. MTAF's code resizes
        # those of Cityscapes and IDD to 640x320 instead, as --protocol
        # published does.
        val_pipeline=[load, resize, labels, pack],
        evaluated=dict(
            batch_size=1,
            num_workers=4,
            persistent_workers=True,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        exceptions=dict(
            gta5=resized_labels,
            synscapes=resized_labels,
            mapillary=dict(
                train_pipeline=[load, labels, *fit, pack],
                images_pipeline=[load, *fit, pack],
                val_pipeline=[load, *fit, labels, pack_padded],
            ),
        ),
    )


protocol = {
    # 'seven_class_consistent' treats terrain, bridges, guard rails and
    # billboards alike in all data sets; published numbers are of 'seven_class'
    'default': protocol_of('seven_class', 7, (640, 320)),
    '19': protocol_of('cityscapes19', 19, (1024, 512)),
}
protocol['19']['exceptions']['idd'] = dict(
    metric=dict(subsets=dict(mIoU18=_base_.without_train))
)
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
