# The data of VFM-UDA (CVPRW 2024): crops of 1024x1024 of images whose shorter
# side is 1440 (synthetic) or 1024 pixels, times 0.9 to 1.1, with what is
# missing filled up; changed colours of the source, rare-class sampling with a
# temperature of 0.05, and pseudo-labels that count but for 3 % of the image at
# the top and at the sides and 25 % at the bottom.
# Other than in the published code the source has changed colours in the
# mixture, too, and the target has not there; crops are drawn again up to 10
# times, not 20, and each with a new scale; and labels are left out at the
# margins of Cityscapes alone, not of any target.
_base_ = './hrda.py'
crop_size = (1024, 1024)
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_any_labels = dict(_labels, resize_mismatch=True)
_flip = dict(type='RandomFlip', prob=0.5)
_colours = dict(
    type='ColorJitter',
    brightness=32 / 255,
    contrast=0.5,
    saturation=0.5,
    hue=18 / 360,
    prob=0.9,
)
_pad = dict(type='PadToSize', size=crop_size)
_pack = dict(
    type='PackDomainInputs',
    # padding_size: what is filled up has no pseudo-labels
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


def _fit(short_side):
    return dict(
        type='RandomResize',
        scale=(10000, short_side),
        ratio_range=(0.9, 1.1),
        keep_ratio=True,
    )


def _source_pipeline(short_side, labels=_labels):
    crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75)
    steps = [_fit(short_side), crop, _pad, _flip, _colours, _pack]
    return [_load, labels, *steps]


def _target_pipeline(short_side, *first_steps):
    crop = dict(type='RandomCrop', crop_size=crop_size)
    return [_load, *first_steps, _fit(short_side), crop, _pad, _flip, _pack]


# of images of 2048x1024 pixels
_margins = dict(
    type='PseudoLabelMargins', top=30, bottom=256, left=61, right=61
)
_synthetic, _real = 1440, 1024
_nineteen = dict(
    sampling=dict(temperature=0.05),
    train_pipeline=_source_pipeline(_synthetic),
    images_pipeline=_target_pipeline(_real),
    exceptions=dict(
        gta5=dict(train_pipeline=_source_pipeline(_synthetic, _any_labels)),
        synscapes=dict(
            train_pipeline=_source_pipeline(_synthetic, _any_labels)
        ),
        synthia=dict(train_pipeline=_source_pipeline(_synthetic)),
        cityscapes=dict(
            train_pipeline=_source_pipeline(_real),
            images_pipeline=_target_pipeline(_real, _margins),
        ),
    ),
)
protocol = dict(default=_nineteen, synthia=_nineteen)
