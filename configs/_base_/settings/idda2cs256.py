# IDDA -> Cityscapes at 256x256, and clear noon of IDDA -> sunset and rain, 16
# classes, about 320x160 pixels: enough for weights of ImageNet, and little for
# a CPU. Beside them are the settings of carla2camvid.py. All are folders with
# split lists and labels of train ids; see docs/data_layouts.md.
_base_ = './carla2camvid.py'
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_pack = dict(type='PackDomainInputs')
# Both as high: 16:9, and 2:1, which 256x256 was squeezed from.
_idda_size, _cityscapes_size = (284, 160), (320, 160)

_thirteen = [
    'road',
    'sidewalk',
    'building',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'rider',
    'car',
    'motorcycle',
    'bicycle',
]


def _labelled(pipeline):
    """How pseudo-labels are made of whole images."""
    return dict(
        pipeline=pipeline,
        original_size=True,
        batch_size=8,
        # labels of the training images, to measure the pseudo-labels
        ground_truth='labels',
    )


def _whole(target_size, times=1, least=0.9):
    """Pipelines for targets that are evaluated in a size (width, height).

    Both are so many times as large; they are scaled by ``least`` to 1.5.
    """
    source_size, target_size = (
        (times * width, times * height)
        for width, height in (_idda_size, target_size)
    )
    resize = dict(type='Resize', scale=target_size, keep_ratio=False)
    scale = dict(
        type='RandomResize', ratio_range=(least, 1.5), keep_ratio=False
    )
    crop_size = (128 * times, 224 * times)
    crop = [
        dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),
        dict(type='RandomFlip', prob=0.5),
    ]
    # Twice the usual strength, as methods that mix images change colours as
    # much. The source has it in all methods.
    colors = [
        dict(
            type='PhotoMetricDistortion',
            brightness_delta=64,
            contrast_range=(0.4, 1.6),
            saturation_range=(0.1, 1.9),
            hue_delta=60,
        ),
        _pack,
    ]
    source_scale = dict(scale, scale=source_size)
    target_scale = dict(scale, scale=target_size)
    labelled_target = [_load, _labels, target_scale, *crop, *colors]
    return dict(
        label_set='idda16',
        num_classes=16,
        train_pipeline=[_load, _labels, source_scale, *crop, *colors],
        images_pipeline=[_load, target_scale, *crop, *colors],
        # of what a teacher labels
        weak_pipeline=[_load, target_scale, *crop, _pack],
        # labels of the size of the image files, as images are resized at
        # random
        pseudo_labelled_pipeline=[
            _load,
            dict(type='LoadPseudoLabels'),
            target_scale,
            *crop,
            *colors,
        ],
        # of CoaST and MLCL
        soft_labelled_pipeline=[
            _load,
            target_scale,
            dict(type='LoadSoftPseudoLabels'),
            *crop,
            # MLCL takes the colours of a target from here
            dict(type='KeepWeakImage'),
            dict(type='StrongAugmentation', num_ops=2, prob=0.5),
            dict(type='Cutout', ratio=1 / 3),
            _pack,
        ],
        val_pipeline=[_load, resize, _labels, _pack],
        evaluated=dict(
            batch_size=1,
            num_workers=1,
            persistent_workers=True,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        # of training with the target's labels
        exceptions=dict.fromkeys(
            ('cityscapes256', 'cityscapes'),
            dict(train_pipeline=labelled_target),
        ),
        # also reported on 13, as those of SYNTHIA without wall, fence, pole
        metric=dict(subsets=dict(mIoU13=_thirteen)),
        config=dict(pseudo_labels=_labelled([_load, resize, _pack])),
    )


def _sampling(times):
    """DAFormer's of rare classes, of which IDDA has few pixels."""
    return dict(
        type='RareClassSampling',
        temperature=0.01,
        # published: 0.15 % of an image, and half as many in a crop
        min_pixels=200,
        # IDDA's files have 1.8 times the sides of what crops are taken from
        crop_pixels=30 * times**2,
    )


# of methods for one target
_alone = dict(one_target=True, more_metrics=[dict(type='EntropyMetric')])
_carla_parts = dict(
    weak_pipeline=_base_.protocol.soft.weak_pipeline,
    soft_labelled_pipeline=_base_.protocol.soft.images_pipeline,
    config=dict(pseudo_labels=_labelled(_base_.label_pipeline)),
)
_label_pipeline = [
    _load,
    dict(type='Resize', scale=_cityscapes_size, keep_ratio=False),
    _pack,
]
# of generated streets, whose training images of the target have no labels
_street_images = dict(
    _whole(_cityscapes_size),
    **_alone,
    config=dict(
        pseudo_labels=dict(_labelled(_label_pipeline), ground_truth=None)
    ),
)
protocol = dict(
    # of a setting that names none, such as one of your own: streets with
    # labels of 16 classes (docs/small_data.md)
    default=dict(_street_images, _delete_=True),
    streets=_street_images,
    carla=dict(_base_.protocol.default, **_carla_parts),
    alone=_carla_parts,
    cityscapes=dict(_whole(_cityscapes_size), **_alone),
    # of DAFormer, and of HRDA, which sees images at twice the size: settings
    # idda2cs256_rare and idda2cs256_large
    rare=dict(_whole(_cityscapes_size), **_alone, sampling=_sampling(1)),
    large=dict(_whole(_cityscapes_size, 2), **_alone, sampling=_sampling(2)),
    weather=_whole(_idda_size),
)


def _folder(root, **splits):
    """A data set with a list of keys for each split."""
    return dict(
        dataset=dict(
            type='FolderDataset', data_root=root, label_table='train_ids'
        ),
        **{
            name: dict(
                img_path='images',
                seg_map_path='labels',
                ann_file=f'{keys}.txt',
                **more,
            )
            for name, (keys, more) in splits.items()
        },
    )


def _of(keys, *include):
    return keys, dict(include=[*include]) if include else {}


# Towns 1 and 2 are for training; town 3, seen from two cars, for evaluation.
_towns, _val, _test = ('*_T01_*', '*_T02_*'), '*_T03_*_J', '*_T03_*_A'
domains = dict(
    idda=_folder(
        'data/IDDA', train=_of('train'), val=_of('val'), test=_of('test')
    ),
    cityscapes256=_folder(
        'data/Cityscapes256',
        train=_of('train'),
        # 23 images of nine towns
        few=_of('train', '*_000004_*', '*_000010_*', '*_000020_*'),
        val=_of('val'),
        test=_of('test'),
    ),
    gta5=dict(
        dataset=dict(type='GTA5Dataset', data_root='data/demo/GTA5'),
        train=dict(img_path='images', seg_map_path='labels'),
    ),
    cityscapes=dict(
        dataset=dict(
            type='CityscapesLabelIdsDataset', data_root='data/demo/Cityscapes'
        ),
        train=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        # 8 of generated streets, 2 a town
        few=dict(
            img_path='leftImg8bit/train',
            seg_map_path='gtFine/train',
            include=['*_000000_*', '*_000001_*'],
        ),
        val=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
    ),
    idd=dict(
        dataset=dict(type='IDDDataset', data_root='data/demo/IDD'),
        train=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        val=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
    ),
    noon=_folder('data/IDDA', train=_of('weather_CN', *_towns)),
    **{
        name: _folder(
            'data/IDDA',
            train=_of(keys, *_towns),
            val=_of(keys, _val),
            test=_of(keys, _test),
        )
        for name, keys in dict(sunset='weather_CS', rain='weather_HRN').items()
    },
)
# Weights of the classes as tools/misc/class_statistics.py prints them: without
# them a thousand iterations teach nothing of persons and signs, which have a
# thousandth of the pixels, and no method can adapt what is not there.
_carla = [0.62, 0.99, 0.73, 4.67, 4.14, 10.0, 1.52, 0.51, 9.33, 2.91]
_day = [0.53, 1.46, 0.66, 2.75, 3.10, 2.86, 1.01, 0.76, 3.89, 1.35]
_camvid = [0.55, 1.44, 0.65, 2.84, 3.09, 2.84, 0.98, 0.75, 3.85, 1.31]
_idda = [
    *(0.47, 0.79, 0.60, 1.70, 3.33, 2.48, 6.56, 10.0),
    *(0.85, 2.19, 0.47, 6.66, 10.0, 1.90, 10.0, 10.0),
]
_streets = [
    *(0.41, 1.12, 0.52, 2.86, 2.96, 1.73, 4.13, 3.42),
    *(0.90, 3.13, 0.64, 3.34, 5.53, 1.08, 6.21, 5.41),
]
settings = dict(
    # those of carla2camvid.py
    carla2camvid_day=dict(class_weight=_carla),
    carla2camvid=dict(class_weight=_carla, protocol='carla'),
    camvid_day=dict(class_weight=_day),
    camvid=dict(class_weight=_camvid, protocol='carla'),
    carla2day=dict(protocol='carla'),
    carla2dusk=dict(protocol='carla'),
    idda2cs256=dict(
        source='idda',
        targets=['cityscapes256'],
        protocol='cityscapes',
        class_weight=_idda,
    ),
    # the same, and a few images of the target with labels
    idda2cs256_few=dict(
        source='idda',
        targets=['cityscapes256'],
        labelled_target='cityscapes256',
        protocol='cityscapes',
        class_weight=_idda,
    ),
    idda_cn2cs_hrn=dict(
        source='noon',
        targets=['sunset', 'rain'],
        protocol='weather',
        class_weight=[
            *(0.51, 0.69, 0.61, 2.17, 2.90, 2.38, 6.97, 10.0),
            *(0.74, 1.75, 0.48, 5.87, 10.0, 2.00, 10.0, 10.0),
        ],
    ),
    streets=dict(
        source='gta5',
        targets=['cityscapes'],
        protocol='streets',
        class_weight=_streets,
    ),
    streets_both=dict(
        source='gta5',
        targets=['cityscapes', 'idd'],
        protocol='streets',
        class_weight=_streets,
    ),
    # written with labels of the target's training images
    streets_few=dict(
        source='gta5',
        targets=['cityscapes'],
        labelled_target='cityscapes',
        protocol='streets',
        class_weight=_streets,
    ),
    # upper bounds: the targets with their labels as the source
    idda_cs_hrn=dict(
        source=['sunset', 'rain'],
        targets=['sunset', 'rain'],
        protocol='weather',
        class_weight=[
            *(0.51, 0.70, 0.60, 2.29, 2.72, 2.30, 6.82, 9.60),
            *(0.75, 1.79, 0.48, 4.93, 10.0, 1.85, 10.0, 10.0),
        ],
    ),
    cs256=dict(
        source='cityscapes256',
        targets=['cityscapes256'],
        protocol='cityscapes',
        class_weight=[
            *(0.40, 1.04, 0.51, 3.43, 2.84, 3.77, 6.46, 4.22),
            *(0.63, 2.60, 1.30, 2.45, 10.0, 0.97, 10.0, 4.12),
        ],
    ),
)
train_dataloader = dict(batch_size=2)
