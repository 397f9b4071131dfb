# The data of the co-training procedure (Gomez et al., Sensors 2023; sizes and
# ratios from its released configs): crops of 1024x512 from source images at
# seven scales and from target images in their own size.
_base_ = './domains.py'
size = (2048, 1024)
crop_size = (512, 1024)  # height, width
# of images that a random scale has resized, the shorter side
shortest_edges = [512, 768, 1024, 1280, 1536, 1792, 2048]
longest_edge = 4096
_load, _labels = dict(type='LoadImage'), dict(type='LoadLabels')
_pseudo_labels = dict(type='LoadPseudoLabels')
_crop = [
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]


def _any_scale(edges):
    """Resize to a shorter side drawn at random."""
    return dict(
        type='RandomChoiceResize',
        scales=[(longest_edge, edge) for edge in edges],
        keep_ratio=True,
    )


def _source_pipeline(size, edges, resize_mismatch):
    return [
        _load,
        dict(_labels, resize_mismatch=resize_mismatch),
        dict(type='Resize', scale=size, keep_ratio=False),
        _any_scale(edges),
        *_crop,
    ]


_resize_for_prediction = dict(type='Resize', scale=size, keep_ratio=True)
_nineteen = dict(
    one_target=True,
    num_classes=19,
    # Labels of GTA5 that differ in size from their images (60) and those of
    # Synscapes (all, 1440x720) are resized.
    train_pipeline=_source_pipeline(size, shortest_edges, True),
    images_pipeline=[_load, _pseudo_labels, *_crop],
    # Evaluated at the full size of each label.
    val_pipeline=[
        _load,
        _resize_for_prediction,
        _labels,
        dict(type='PackDomainInputs'),
    ],
    evaluated=dict(
        batch_size=1,
        num_workers=4,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
    ),
    exceptions=dict(
        synthia=dict(
            label_set=None,  # has its 16 by itself
            # published with 512, too, which leaves less than a crop's width
            train_pipeline=_source_pipeline(
                (1280, 760), [760, 1050, 1280, 1520], False
            ),
        ),
        mapillary=dict(
            # images of all sizes; published: those of 4:3 alone, as 1632x1216
            images_pipeline=[
                _load,
                dict(
                    type='Resize', scale=(longest_edge, 1216), keep_ratio=True
                ),
                dict(_pseudo_labels, resize=True),
                *_crop,
            ]
        ),
    ),
)
protocol = dict(
    default=_nineteen,
    # Of GTA5 -> Cityscapes: rare classes of the source are drawn more often,
    # and target images are scaled at random.
    gta2cs=dict(
        _nineteen,
        sampling=dict(type='RareClassSampling'),
        images_pipeline=[
            _load,
            _pseudo_labels,
            _any_scale([768, 1024, 1536]),
            *_crop,
        ],
    ),
)
# SYNTHIA-RAND-CITYSCAPES, also reported on 13 classes.
protocol['16'] = dict(
    _nineteen,
    label_set='synthia16',
    num_classes=16,
    metric=dict(subsets=dict(mIoU13=_base_.thirteen)),
)
settings = dict(
    gta2cs=dict(protocol='gta2cs'),
    synthia2cs=dict(protocol='16'),
    s2cmi=dict(protocol='16'),
)
train_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    # A mixed image needs a source image to paste from, so that ClassMix takes
    # four of the source for 1 + 3. A baseline has four source images either
    # way (published with SYNTHIA: two).
    dataset=dict(type='DomainDataset', samples=dict(source=4, target=3)),
)
# Labels of the size of the image files, from logits resized to it. The
# portion of each round is set by the procedure.
pseudo_labels = dict(
    rule=dict(type='ClassBalancedPortion', portion=0.5, low=0.5, high=0.9),
    pipeline=[_load, _resize_for_prediction, dict(type='PackDomainInputs')],
    order='upsample_first',
    original_size=True,
)
