# The data of DAFormer (CVPR 2022) and of what it compares itself with: crops
# of 512x512 from images of about half their size, whose shape is kept (GTA5:
# 1280x704), and no change of colours, which mixed images get in the step.
# Images are evaluated in the same size, at the full size of each label.
_base_ = './domains.py'
crop_size = (512, 512)
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_pack = dict(type='PackDomainInputs')
# 60 labels of the public GTA5 differ in size from their images, and all of
# Synscapes (1440x720)
_any_labels = dict(_labels, resize_mismatch=True)
_flip = dict(type='RandomFlip', prob=0.5)


def _fit(scale):
    return dict(type='Resize', scale=scale, keep_ratio=True)


def _source_pipeline(scale, labels=_labels):
    # a crop in which one class has more is drawn again, up to ten times
    crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75)
    return [_load, labels, _fit(scale), crop, _flip, _pack]


def _target_pipeline(scale):
    crop = dict(type='RandomCrop', crop_size=crop_size)
    return [_load, _fit(scale), crop, _flip, _pack]


_synthetic, _real = (1280, 720), (1024, 512)
_adverse = dict(
    images_pipeline=_target_pipeline((960, 540)),
    val_pipeline=[_load, _fit((960, 540)), _labels, _pack],
)
_nineteen = dict(
    one_target=True,
    num_classes=19,
    train_pipeline=_source_pipeline(_synthetic),
    images_pipeline=_target_pipeline(_real),
    val_pipeline=[_load, _fit(_real), _labels, _pack],
    evaluated=dict(
        batch_size=1,
        num_workers=4,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
    ),
    exceptions=dict(
        gta5=dict(train_pipeline=_source_pipeline(_synthetic, _any_labels)),
        synscapes=dict(
            train_pipeline=_source_pipeline(_synthetic, _any_labels)
        ),
        synthia=dict(
            label_set='cityscapes19',
            train_pipeline=_source_pipeline((1280, 760)),
        ),
        cityscapes=dict(train_pipeline=_source_pipeline(_real)),
        acdc=_adverse,
        dark_zurich=_adverse,
    ),
)
# LoveDA (1024x1024) in its own size, as ports of DAFormer to it have it; from
# above there is no upside down, so that all four flips are as likely.
_any_flip = dict(
    type='RandomFlip',
    prob=0.75,
    direction=['horizontal', 'vertical', 'diagonal'],
)
_crop = dict(type='RandomCrop', crop_size=crop_size)
_land_cover = dict(
    label_set='loveda7',
    num_classes=7,
    train_pipeline=[
        _load,
        _labels,
        dict(_crop, cat_max_ratio=0.75),
        _any_flip,
        _pack,
    ],
    images_pipeline=[_load, _crop, _any_flip, _pack],
    val_pipeline=[_load, _labels, _pack],
)
protocol = dict(
    default=_nineteen,
    # SYNTHIA-RAND-CITYSCAPES has 16 of the classes. Published networks have
    # all 19 outputs; reported are means over its classes, and over 13.
    synthia=dict(
        _nineteen,
        metric=dict(
            subsets=dict(mIoU16=_base_.sixteen, mIoU13=_base_.thirteen)
        ),
    ),
    land_cover={**_nineteen, **_land_cover, 'exceptions': {}},
)
settings = dict(synthia2cs=dict(protocol='synthia'))
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset'),
)
