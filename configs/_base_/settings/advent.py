# The data of ADVENT (CVPR 2019), and of ESL (CVPRW 2020): whole images, the
# source resized to 1280x720 and the target to 1024x512 (Pillow's bicubic
# filter), no augmentation, one image of each domain an iteration. Target
# labels are needed for validation only.
_base_ = './domains.py'
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_pseudo_labels = dict(type='LoadPseudoLabels')
_pack = dict(type='PackDomainInputs')
source_size, target_size = (1280, 720), (1024, 512)
resize = dict(
    type='Resize',
    keep_ratio=False,
    interpolation='bicubic',
    backend='pillow',
)
_fit = dict(scale=target_size, **resize)
# 60 labels of the public GTA5 differ in size from their images, and all of
# Synscapes (1440x720)
_gta5_labels = dict(_labels, resize_mismatch=True)
_fit_source = dict(scale=source_size, **resize)
source_pipeline = [_load, _gta5_labels, _fit_source, _pack]
target_pipeline = [_load, _fit, _pack]
# Mapillary Vistas, a setting of ESL, whose code has its data set, but no
# config of it. The size of 1024x768 is that of DADA (ICCV 2019, configs_s2m),
# which has the same classes and fits images the same way: into the box, whose
# rest stays black.
_box = (1024, 768)
_fit_box = dict(type='ResizeToFit', scale=_box)
_pad = dict(type='PadToSize', size=_box)
_pack_padded = dict(
    _pack,
    # padding_size: predictions (and pseudo-labels) leave the padding out
    meta_keys=(
        'key',
        'img_path',
        'ori_shape',
        'img_shape',
        'pad_shape',
        'padding_size',
        'scale_factor',
        'flip',
        'flip_direction',
    ),
)
_mapillary = dict(
    images_pipeline=[_load, _fit_box, _pad, _pack_padded],
    pseudo_labelled_pipeline=[
        _load,
        _fit_box,
        _pseudo_labels,
        _pad,
        _pack_padded,
    ],
    # Evaluated at the full size of each label, as in the code of ESL and DADA
    # (scale_label=False). They pad the label with ignored pixels; here the
    # prediction is cut, which judges the same pixels. MTAF (ICCV 2021) resizes
    # labels to its inputs of 640x320 instead, says its author.
    val_pipeline=[_load, _fit_box, _pad, _labels, _pack_padded],
)
# SYNTHIA-RAND-CITYSCAPES. Its size is that of the authors' DADA release.
_synthia = dict(
    label_set=None,  # has its 16 by itself
    train_pipeline=[_load, _labels, dict(scale=(1280, 760), **resize), _pack],
)
_nineteen = dict(
    # with one target its data set is `target`, not one of the dict `targets`
    one_target=True,
    num_classes=19,
    train_pipeline=[_load, _labels, _fit_source, _pack],
    images_pipeline=target_pipeline,
    pseudo_labelled_pipeline=[_load, _fit, _pseudo_labels, _pack],
    # labels after Resize, so that they keep their own size
    val_pipeline=[_load, _fit, _labels, _pack],
    evaluated=dict(
        batch_size=1,
        num_workers=4,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
    ),
    exceptions=dict(
        gta5=dict(train_pipeline=source_pipeline),
        synscapes=dict(train_pipeline=source_pipeline),
        synthia=_synthia,
        mapillary=_mapillary,
    ),
)
protocol = {
    'default': _nineteen,
    # also reported on 13
    '16': dict(
        _nineteen,
        label_set='synthia16',
        num_classes=16,
        metric=dict(subsets=dict(mIoU13=_base_.thirteen)),
    ),
    '7': dict(_nineteen, label_set='seven_class', num_classes=7),
    # LoveDA, whose images are of one size (1024x1024)
    'land_cover': dict(
        _nineteen,
        label_set='loveda7',
        num_classes=7,
        train_pipeline=[_load, _labels, _pack],
        images_pipeline=[_load, _pack],
        pseudo_labelled_pipeline=[_load, _pseudo_labels, _pack],
        val_pipeline=[_load, _labels, _pack],
        exceptions={},
    ),
}
settings = dict(
    synthia2cs=dict(protocol='16'),
    s2cmi=dict(protocol='16'),
    gta2mapillary=dict(protocol='7'),
)
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
