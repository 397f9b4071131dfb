# Copyright (c) mmuda authors.
"""The labels of Mapillary Vistas v1.2 and the classes they belong to.

Sources: the code of ESL (CVPRW 2020) and MTAF (ICCV 2021) for seven classes,
of CoaST (WACV 2023) and MCL (TCSVT 2024) for the same seven and for nineteen.
ADAS (CVPR 2022) maps seven of the 66 labels to other classes; its tables have
names of their own.
"""

from collections.abc import Mapping
from typing import TypeVar

from mmseg.datasets import MapillaryDataset_v1, MapillaryDataset_v2

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


Class = TypeVar('Class')

# Their positions are the ids in the label files; the names are those
# ("readable") of config_v2.0.json.
_V1_LABELS = MapillaryDataset_v1.METAINFO['classes']
_LABELS_V2 = MapillaryDataset_v2.METAINFO['classes']

_PARTS = {
    'Billboard': (
        'Signage - Advertisement',
        'Signage - Ambiguous',
        'Signage - Back',
        'Signage - Information',
        'Signage - Other',
        'Signage - Store',
    ),
    'Lane Marking - Crosswalk': ('Lane Marking (only) - Crosswalk',),
    'Lane Marking - General': tuple(
        label
        for label in _LABELS_V2
        if label.startswith('Lane Marking') and 'Crosswalk' not in label
    ),
    'Parking': ('Parking Aisle',),
    'Person': ('Person Group',),
    'Traffic Light': (
        'Traffic Light - General (Single)',
        'Traffic Light - Pedestrians',
        'Traffic Light - General (Upright)',
        'Traffic Light - General (Horizontal)',
        'Traffic Light - Cyclists',
        'Traffic Light - Other',
    ),
    'Traffic Sign (Back)': (
        'Traffic Sign - Direction (Back)',
        'Traffic Sign - Temporary (Back)',
    ),
    'Traffic Sign (Front)': (
        'Traffic Sign - Direction (Front)',
        'Traffic Sign - Parking',
        'Traffic Sign - Temporary (Front)',
    ),
}

_NEAREST = {
    'Barrier': (
        'Ambiguous Barrier',
        'Concrete Block',
        'Lane Separator',
        'Temporary Barrier',
    ),
    'Building': ('Garage',),
    # All four are flat in the config file.
    'Service Lane': ('Driveway', 'Road Shoulder'),
    'Pedestrian Area': ('Traffic Island',),
    # Of a sign that may be either, ADAS would not trust the side.
    'Traffic Sign (Back)': ('Traffic Sign - Ambiguous',),
    # A vehicle, but of no known class of nineteen.
    'Other Vehicle': ('Vehicle Group',),
}

MAPILLARY_V2_IDS: tuple[int, ...] = tuple(range(len(_LABELS_V2)))


def _v1_ids() -> dict[int, int]:
    """Return the id of v1.2 for each id of v2.0 that has one."""
    same = {label: label for label in _LABELS_V2 if label in _V1_LABELS}
    other = {
        label: v1_label
        for table in (_PARTS, _NEAREST)
        for v1_label, labels in table.items()
        for label in labels
    }
    return {
        _LABELS_V2.index(label): _V1_LABELS.index(v1_label)
        for label, v1_label in {**same, **other}.items()
    }


_V1_IDS = _v1_ids()


def renumber_for_v2(table: Mapping[int, Class]) -> dict[int, Class]:
    """Turn a table of the ids of v1.2 into one of the ids of v2.0.

    Args:
        table: ``{id of v1.2: class}``; ids may be left out.

    Returns:
        ``{id of v2.0: class}``, without ids whose label of v1.2 is not in the
        table or does not exist.
    """
    return {
        new: table[old] for new, old in sorted(_V1_IDS.items()) if old in table
    }
