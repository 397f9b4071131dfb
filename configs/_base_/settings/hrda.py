# The data of HRDA (ECCV 2022) and MIC (CVPR 2023): that of daformer.py at
# twice the size, in crops of 1024x1024, and with crops that show a rare class
# in four times as many pixels. Images are evaluated in full size, in windows
# of the size of a crop.
_base_ = './dacs.py'
crop_size = (1024, 1024)
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_pack = dict(type='PackDomainInputs')
_any_labels = dict(_labels, resize_mismatch=True)
_flip = dict(type='RandomFlip', prob=0.5)


def _fit(scale):
    return dict(type='Resize', scale=scale, keep_ratio=True)


def _source_pipeline(scale, labels=_labels):
    crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75)
    return [_load, labels, _fit(scale), crop, _flip, _pack]


def _target_pipeline(scale, *first_steps):
    crop = dict(type='RandomCrop', crop_size=crop_size)
    return [_load, *first_steps, _fit(scale), crop, _flip, _pack]


# pixels of the files: the own car, and borders that rectification has left
_margins = dict(
    type='PseudoLabelMargins', top=30, bottom=240, left=30, right=30
)
_synthetic, _real = (2560, 1440), (2048, 1024)
_adverse = dict(
    images_pipeline=_target_pipeline((1920, 1080)),
    val_pipeline=[_load, _fit((1920, 1080)), _labels, _pack],
)
_nineteen = dict(
    sampling=dict(
        type='RareClassSampling',
        temperature=0.01,
        min_pixels=3000,
        crop_pixels=6000,
    ),
    train_pipeline=_source_pipeline(_synthetic),
    images_pipeline=_target_pipeline(_real),
    val_pipeline=[_load, _fit(_real), _labels, _pack],
    exceptions=dict(
        gta5=dict(train_pipeline=_source_pipeline(_synthetic, _any_labels)),
        synscapes=dict(
            train_pipeline=_source_pipeline(_synthetic, _any_labels)
        ),
        synthia=dict(train_pipeline=_source_pipeline((2560, 1520))),
        cityscapes=dict(
            train_pipeline=_source_pipeline(_real),
            images_pipeline=_target_pipeline(_real, _margins),
        ),
        acdc=_adverse,
        dark_zurich=_adverse,
    ),
)


# Of LoveDA all is as for DACS but the crops, which are whole images.
def _in_large_crops(pipeline):
    return [
        dict(step, crop_size=crop_size) if 'crop_size' in step else dict(step)
        for step in pipeline
    ]


_land_cover = _base_.protocol.land_cover
protocol = dict(
    default=_nineteen,
    synthia=_nineteen,
    land_cover=dict(
        sampling=_nineteen['sampling'],
        train_pipeline=_in_large_crops(_land_cover.train_pipeline),
        images_pipeline=_in_large_crops(_land_cover.images_pipeline),
    ),
)
