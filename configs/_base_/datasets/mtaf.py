# The data of MTAF (ICCV 2021): GTA5 and up to three targets with seven
# classes, whole images of 640x320 (Pillow's bicubic filter; Vistas keeps its
# shape and is padded), no augmentation. The data sets are variables: g2ci.py
# and the like choose among them.
_base_ = './gta2cs.py'
size = (640, 320)
_resize = dict(scale=size, **_base_.resize)
_fit = dict(type='ResizeToFit', scale=size)
_pad = dict(type='PadToSize', size=size)
_load = dict(type='LoadImage')
_pack = dict(type='PackDomainInputs')
_pack_test = dict(type='PackSegInputs')
_labels = dict(type='LoadLabels')
source = dict(
    label_set='seven_class',
    pipeline=[
        _load,
        dict(type='LoadLabels', resize_mismatch=True),
        _resize,
        _pack,
    ],
)
_train = dict(label_set='seven_class', pipeline=[_load, _resize, _pack])
# Labels keep their size: logits are resized to it. MTAF's code resizes those
# of Cityscapes and IDD to 640x320 instead.
_val = dict(
    label_set='seven_class',
    test_mode=True,
    pipeline=[_load, _resize, _labels, _pack_test],
)
cityscapes = dict(
    type='CityscapesLabelIdsDataset',
    data_root='data/Cityscapes',
    data_prefix=dict(img_path='leftImg8bit/train'),
    **_train,
)
idd = dict(
    type='IDDDataset',
    data_root='data/IDD',
    data_prefix=dict(img_path='leftImg8bit/train'),
    **_train,
)
mapillary = dict(
    type='MapillaryVistasDataset',
    data_root='data/Mapillary',
    data_prefix=dict(img_path='training/images'),
    label_set='seven_class',
    pipeline=[_load, _fit, _pad, _pack],
)
_loader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
cityscapes_val = dict(
    dataset=dict(
        type='CityscapesLabelIdsDataset',
        data_root='data/Cityscapes',
        data_prefix=dict(
            img_path='leftImg8bit/val', seg_map_path='gtFine/val'
        ),
        **_val,
    ),
    **_loader,
)
idd_val = dict(
    dataset=dict(
        type='IDDDataset',
        data_root='data/IDD',
        data_prefix=dict(
            img_path='leftImg8bit/val', seg_map_path='gtFine/val'
        ),
        **_val,
    ),
    **_loader,
)
mapillary_val = dict(
    dataset=dict(
        type='MapillaryVistasDataset',
        data_root='data/Mapillary',
        data_prefix=dict(
            img_path='validation/images', seg_map_path='validation/labels'
        ),
        label_set='seven_class',
        test_mode=True,
        pipeline=[_load, _fit, _pad, _labels, _pack],
    ),
    **_loader,
)
cityscapes_metric = dict(
    type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='cityscapes'
)
idd_metric = dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='idd')
mapillary_metric = dict(
    type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='mapillary'
)
