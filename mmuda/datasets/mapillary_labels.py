# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The labels of Mapillary Vistas v1.2 and the classes they belong to.

Sources: the code of ESL (CVPRW 2020) and MTAF (ICCV 2021) for seven classes,
of CoaST (WACV 2023) and MCL (TCSVT 2024) for the same seven and for nineteen.
ADAS (CVPR 2022) maps seven of the 66 labels to other classes; its tables have
names of their own.
"""

from mmseg.datasets import MapillaryDataset_v1

# Their positions are the ids in the label files.
_LABELS = MapillaryDataset_v1.METAINFO['classes']

_CITYSCAPES_CLASS = {
    'Road': 'road',
    'Sidewalk': 'sidewalk',
    'Building': 'building',
    'Wall': 'wall',
    'Fence': 'fence',
    'Pole': 'pole',
    'Traffic Light': 'traffic light',
    'Traffic Sign (Back)': 'traffic sign',
    'Traffic Sign (Front)': 'traffic sign',
    'Vegetation': 'vegetation',
    'Terrain': 'terrain',
    'Sky': 'sky',
    'Person': 'person',
    'Bicyclist': 'rider',
    'Motorcyclist': 'rider',
    'Other Rider': 'rider',
    'Car': 'car',
    'Truck': 'truck',
    'Bus': 'bus',
    'On Rails': 'train',
    'Motorcycle': 'motorcycle',
    'Bicycle': 'bicycle',
}

# The seven classes also have labels that no class of Cityscapes has. As
# published: curbs are construction, potholes objects.
_SEVEN_GROUPS = {
    'flat': (
        'Bike Lane',
        'Crosswalk - Plain',
        'Curb Cut',
        'Parking',
        'Pedestrian Area',
        'Rail Track',
        'Service Lane',
        'Lane Marking - Crosswalk',
        'Lane Marking - General',
    ),
    'construction': ('Curb', 'Guard Rail', 'Barrier', 'Bridge', 'Tunnel'),
    'object': (
        'Pothole',
        'Street Light',
        'Traffic Sign Frame',
        'Utility Pole',
    ),
    'vehicle': (
        'Boat',
        'Caravan',
        'Other Vehicle',
        'Trailer',
        'Wheeled Slow',
    ),
}

MAPILLARY_IDS: tuple[int, ...] = tuple(range(len(_LABELS)))

# Id -> Cityscapes class.
MAPILLARY_NAMES: dict[int, str] = {
    _LABELS.index(label): name for label, name in _CITYSCAPES_CLASS.items()
}

# Id -> one of the seven classes, for ids that are not in MAPILLARY_NAMES.
MAPILLARY_SEVEN: dict[int, str] = {
    _LABELS.index(label): group
    for group, labels in _SEVEN_GROUPS.items()
    for label in labels
}

_ADAS_CITYSCAPES_CLASS = {
    'Curb': 'sidewalk',
    'Lane Marking - General': 'road',
    'Manhole': 'road',
    'Utility Pole': 'pole',
}
_ADAS_IGNORED_19 = 'Traffic Sign (Back)'
# Ignored with seven classes, some of them although nineteen have them.
_ADAS_IGNORED_7 = (
    'Lane Marking - Crosswalk',
    'Lane Marking - General',
    'Manhole',
    'Terrain',
)

# The same two tables in the convention of ADAS.
MAPILLARY_ADAS_NAMES: dict[int, str] = {
    _LABELS.index(label): name
    for label, name in {**_CITYSCAPES_CLASS, **_ADAS_CITYSCAPES_CLASS}.items()
    if label != _ADAS_IGNORED_19
}
MAPILLARY_ADAS_SEVEN: dict[int, str | None] = {
    **MAPILLARY_SEVEN,
    **{_LABELS.index(label): None for label in _ADAS_IGNORED_7},
    _LABELS.index(_ADAS_IGNORED_19): 'object',
}
