# The data of the co-training procedure (Gomez et al., Sensors 2023; sizes and
# ratios from its released configs): crops of 1024x512 from source images at
# seven scales and from target images in their own size. A setting such as
# gta2cs.py chooses from the tables sources, targets, evaluated and metrics.
_base_ = '../../settings/domains.py'
domains = dict(
    synscapes=dict(
        dataset=dict(type='SynscapesDataset', data_root='data/Synscapes'),
        train=dict(img_path='img/rgb-2k', seg_map_path='img/class'),
    )
)
size = (2048, 1024)
crop_size = (512, 1024)  # height, width
# of images that a random scale has resized, the shorter side
shortest_edges = [512, 768, 1024, 1280, 1536, 1792, 2048]
longest_edge = 4096
# Samples of a batch: a mixed image needs a source image to paste from, so
# that ClassMix takes four of the source for 1 + 3; final_samples are those of
# the last training, which mixes nothing. A baseline, with target=None, has
# four source images either way (published with SYNTHIA: two).
class_mix_samples = dict(source=4, target=3)
final_samples = dict(source=1, target=3)
_places = {**_base_.domains, **domains}
metrics = {
    name: dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix=name)
    for name in _places
}
_load = dict(type='LoadImage')
_crop = [
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]
# Labels of GTA5 that differ in size from their images (60) and those of
# Synscapes (all, 1440x720) are resized.
_resized_labels = ('gta5', 'synscapes')


def _any_scale(edges):
    """Resize to a shorter side drawn at random."""
    return dict(
        type='RandomChoiceResize',
        scales=[(longest_edge, edge) for edge in edges],
        keep_ratio=True,
    )


def _source(name, size, edges):
    """The labelled images of a data set."""
    return dict(
        data_prefix=_places[name]['train'],
        pipeline=[
            _load,
            dict(type='LoadLabels', resize_mismatch=name in _resized_labels),
            dict(type='Resize', scale=size, keep_ratio=False),
            _any_scale(edges),
            *_crop,
        ],
        **_places[name]['dataset'],
    )


def _target(name, before=(), after=(), **options):
    """The images of a data set with pseudo-labels."""
    return dict(
        data_prefix=dict(img_path=_places[name]['train']['img_path']),
        pipeline=[
            _load,
            *before,
            dict(type='LoadPseudoLabels', **options),
            *after,
            *_crop,
        ],
        **_places[name]['dataset'],
    )


sources = dict(
    gta5=_source('gta5', size, shortest_edges),
    synscapes=_source('synscapes', size, shortest_edges),
    # published with 512, too, which leaves less than a crop's width
    synthia=_source('synthia', (1280, 760), [760, 1050, 1280, 1520]),
)
targets = dict(
    cityscapes=_target('cityscapes'),
    # of GTA5 -> Cityscapes
    cityscapes_any_scale=_target(
        'cityscapes', after=[_any_scale([768, 1024, 1536])]
    ),
    bdd100k=_target('bdd100k'),
    # images of all sizes; published: those of 4:3 alone, as 1632x1216
    mapillary=_target(
        'mapillary',
        before=[
            dict(type='Resize', scale=(longest_edge, 1216), keep_ratio=True)
        ],
        resize=True,
    ),
)
_resize_for_prediction = dict(type='Resize', scale=size, keep_ratio=True)
# Evaluated at the full size of each label.
evaluated = {
    name: dict(
        batch_size=1,
        num_workers=4,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            data_prefix=_places[name]['val'],
            test_mode=True,
            pipeline=[
                _load,
                _resize_for_prediction,
                dict(type='LoadLabels'),
                dict(type='PackSegInputs'),
            ],
            **_places[name]['dataset'],
        ),
    )
    for name in ('cityscapes', 'bdd100k', 'mapillary')
}
train_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset', samples=class_mix_samples),
)
# Labels of the size of the image files, from logits resized to it. The
# portion of each round is set by the procedure.
pseudo_labels = dict(
    rule=dict(type='ClassBalancedPortion', portion=0.5, low=0.5, high=0.9),
    pipeline=[
        _load,
        _resize_for_prediction,
        dict(type='PackDomainInputs'),
    ],
    order='upsample_first',
    original_size=True,
)
