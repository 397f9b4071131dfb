# Copyright (c) mmuda authors.
"""The labels of IDD (Varma et al., WACV 2019) and the classes they belong to.

Sources: ``anue_labels.py`` of AutoNUE's public code for names, ids and the
nineteen classes (its column ``csTrainId``), which CoaST (WACV 2023), MCL
(TCSVT 2024) and ADAS (CVPR 2022) use too; the code of MTAF (ICCV 2021), CoaST
and MCL for seven classes.
"""

# Their positions are the ids of id type ``id``.
IDD_LABELS: tuple[str, ...] = (
    'road',
    'parking',
    'drivable fallback',
    'sidewalk',
    'rail track',
    'non-drivable fallback',
    'person',
    'animal',
    'rider',
    'motorcycle',
    'bicycle',
    'autorickshaw',
    'car',
    'truck',
    'bus',
    'caravan',
    'trailer',
    'train',
    'vehicle fallback',
    'curb',
    'wall',
    'fence',
    'guard rail',
    'billboard',
    'traffic sign',
    'traffic light',
    'pole',
    'polegroup',
    'obs-str-bar-fallback',
    'building',
    'bridge',
    'tunnel',
    'vegetation',
    'sky',
    'fallback background',
    'unlabeled',
    'ego vehicle',
    'rectification border',
    'out of roi',
    'license plate',
)

IDD_IDS: tuple[int, ...] = tuple(range(len(IDD_LABELS)))

# By id: what AutoNUE's server judges by (``level3Id``), 255 where it does not.
IDD_LEVEL3_IDS: tuple[int, ...] = (
    *(0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12, 12, 13, 14),
    *(15, 16, 17, 18, 19, 20, 20, 21, 22, 23, 23, 24, 25, 25),
    *(255, 255, 255, 255, 255),
)

_NOT_IN_CITYSCAPES19 = frozenset(
    (
        *('parking', 'drivable fallback', 'rail track', 'animal'),
        *('autorickshaw', 'caravan', 'trailer', 'vehicle fallback', 'curb'),
        *('guard rail', 'billboard', 'polegroup', 'obs-str-bar-fallback'),
        *('bridge', 'tunnel', 'fallback background', 'unlabeled'),
        *('ego vehicle', 'rectification border', 'out of roi'),
        'license plate',
    )
)

# Id -> Cityscapes class; only terrain has another name in IDD.
IDD_NAMES: dict[int, str] = {
    i: 'terrain' if label == 'non-drivable fallback' else label
    for i, label in enumerate(IDD_LABELS)
    if label not in _NOT_IN_CITYSCAPES19
}

_SEVEN_GROUPS = {
    'flat': ('drivable fallback',),
    'construction': ('curb',),
    'object': ('billboard',),
    'vehicle': ('autorickshaw', 'caravan', 'trailer', 'vehicle fallback'),
    # As published: what is terrain of nineteen classes is none of seven.
    None: ('non-drivable fallback',),
}

# Id -> one of the seven classes or None, where IDD_NAMES does not tell it.
IDD_SEVEN: dict[int, str | None] = {
    IDD_LABELS.index(label): group
    for group, labels in _SEVEN_GROUPS.items()
    for label in labels
}
