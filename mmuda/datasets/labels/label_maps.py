# Copyright (c) mmuda authors.
"""Class sets, colours and tables from label ids to train ids.

A *label set* is what a network is trained on: an ordered tuple of classes,
whose positions are the train ids. An *id list* is how a data set numbers the
pixels of its label files. Each table maps every id of a list to a train id,
or to 255 if the class is not trained.

Sources: Cityscapes ``labels.py``; GTA5 ``read_mapping`` (Cityscapes ids plus
34 for license plates); the SYNTHIA-RAND-CITYSCAPES readme; ADVENT (CVPR 2019)
for the 16 classes; BDD100K's label format; the classes of UrbanSyn; CARLA's
sensors reference (two numberings); those named in ``idd_labels.py``,
``mapillary_labels.py``, ``seven_classes.py`` and ``land_cover.py``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmuda.datasets.labels.idd_labels import IDD_IDS, IDD_NAMES
from mmuda.datasets.labels.land_cover import LOVEDA_PALETTE
from mmuda.datasets.labels.mapillary_labels import (
    MAPILLARY_ADAS_NAMES,
    MAPILLARY_IDS,
    MAPILLARY_NAMES,
    MAPILLARY_V2_IDS,
    renumber_for_v2,
)
from mmuda.datasets.labels.seven_classes import (
    SEVEN_CLASSES,
    seven_class_names,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID
from mmuda.utils.text import shorten

PALETTE = {
    'road': [128, 64, 128],
    'sidewalk': [244, 35, 232],
    'building': [70, 70, 70],
    'wall': [102, 102, 156],
    'fence': [190, 153, 153],
    'pole': [153, 153, 153],
    'traffic light': [250, 170, 30],
    'traffic sign': [220, 220, 0],
    'vegetation': [107, 142, 35],
    'terrain': [152, 251, 152],
    'sky': [70, 130, 180],
    'person': [220, 20, 60],
    'rider': [255, 0, 0],
    'car': [0, 0, 142],
    'truck': [0, 0, 70],
    'bus': [0, 60, 100],
    'train': [0, 80, 100],
    'motorcycle': [0, 0, 230],
    'bicycle': [119, 11, 32],
    # The seven groups take the colour of their commonest class.
    'flat': [128, 64, 128],
    'construction': [70, 70, 70],
    'object': [153, 153, 153],
    'nature': [107, 142, 35],
    'human': [220, 20, 60],
    'vehicle': [0, 0, 142],
}

_CITYSCAPES_CLASSES = tuple(PALETTE)[:19]
_NOT_IN_SYNTHIA16 = ('terrain', 'truck', 'train')
# Its vans and minibuses are cars.
_NOT_IN_IDDA16 = ('truck', 'bus', 'train')

LABEL_SETS: dict[str, tuple[str, ...]] = {
    'cityscapes19': _CITYSCAPES_CLASSES,
    'synthia16': tuple(
        name for name in _CITYSCAPES_CLASSES if name not in _NOT_IN_SYNTHIA16
    ),
    'idda16': tuple(
        name for name in _CITYSCAPES_CLASSES if name not in _NOT_IN_IDDA16
    ),
    'seven_class': SEVEN_CLASSES,
    # The same classes, but terrain, bridges, guard rails and billboards are
    # treated alike in all data sets; see seven_classes.py.
    'seven_class_consistent': SEVEN_CLASSES,
    'carla_camvid10': (
        'road',
        'sidewalk',
        'building',
        'fence',
        'pole',
        'traffic sign',
        'vegetation',
        'sky',
        'person',
        'car',
    ),
    'loveda7': tuple(LOVEDA_PALETTE),
}
# Other colours than those of streets.
_PALETTES = {'loveda7': LOVEDA_PALETTE}

# Published SYNTHIA results also give the mean over 13 of the 16 classes.
SYNTHIA_13_CLASSES = tuple(
    name
    for name in LABEL_SETS['synthia16']
    if name not in ('wall', 'fence', 'pole')
)

_CITYSCAPES_NAMES = dict(
    zip(
        (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33),
        _CITYSCAPES_CLASSES,
        strict=True,
    )
)
_SYNTHIA_NAMES = {
    1: 'sky',
    2: 'building',
    3: 'road',
    4: 'sidewalk',
    5: 'fence',
    6: 'vegetation',
    7: 'pole',
    8: 'car',
    9: 'traffic sign',
    10: 'person',
    11: 'bicycle',
    12: 'motorcycle',
    15: 'traffic light',
    16: 'terrain',
    17: 'rider',
    18: 'truck',
    19: 'bus',
    20: 'train',
    21: 'wall',
}
# Tags of CARLA from 0.9.14 on; 24 are lines on the road.
_CARLA_NAMES = dict(enumerate(_CITYSCAPES_CLASSES, start=1))
# Tags of CARLA up to 0.9.13: all vehicles are one, and riders persons.
_OLD_CARLA_NAMES = {
    1: 'building',
    2: 'fence',
    4: 'person',
    5: 'pole',
    6: 'road',
    7: 'road',
    8: 'sidewalk',
    9: 'vegetation',
    10: 'car',
    11: 'wall',
    12: 'traffic sign',
    13: 'sky',
    18: 'traffic light',
    22: 'terrain',
}

# Id list -> {id: name of the Cityscapes class}.
ID_NAMES: dict[str, dict[int, str]] = {
    'cityscapes': _CITYSCAPES_NAMES,
    'gta5': _CITYSCAPES_NAMES,
    'synthia': _SYNTHIA_NAMES,
    'idd': IDD_NAMES,
    'mapillary_vistas': MAPILLARY_NAMES,
    'mapillary_vistas_adas': MAPILLARY_ADAS_NAMES,
    'mapillary_vistas_v2': renumber_for_v2(MAPILLARY_NAMES),
    'mapillary_vistas_v2_adas': renumber_for_v2(MAPILLARY_ADAS_NAMES),
    'train_ids': dict(enumerate(_CITYSCAPES_CLASSES)),
    'bdd100k': dict(enumerate(_CITYSCAPES_CLASSES)),
    'urbansyn': dict(enumerate(_CITYSCAPES_CLASSES)),
    'carla': {**_CARLA_NAMES, 24: 'road'},
    'carla_0.9.13': _OLD_CARLA_NAMES,
}

# Id list -> every id that a sound label file may hold. Cityscapes' license
# plate is -1, which an 8-bit file stores as 255.
VALID_IDS: dict[str, tuple[int, ...]] = {
    'cityscapes': (*range(34), 255),
    'gta5': tuple(range(35)),
    'synthia': tuple(range(23)),
    'idd': IDD_IDS,
    'mapillary_vistas': MAPILLARY_IDS,
    'mapillary_vistas_adas': MAPILLARY_IDS,
    'mapillary_vistas_v2': MAPILLARY_V2_IDS,
    'mapillary_vistas_v2_adas': MAPILLARY_V2_IDS,
    'train_ids': (*range(19), 255),
    'bdd100k': (*range(19), 255),
    'urbansyn': (*range(20), 255),
    'carla': tuple(range(29)),
    'carla_0.9.13': tuple(range(23)),
}


def label_set_metainfo(label_set: str) -> dict:
    """Return ``classes`` and ``palette`` (RGB) of a label set.

    Raises:
        ConfigError: If there is no such label set.
    """
    if label_set not in LABEL_SETS:
        raise ConfigError(
            f'label_set={label_set!r} is unknown; choose one of '
            f'{sorted(LABEL_SETS)}, or pass label_set=None with your own '
            'metainfo=dict(classes=..., palette=...) and label_table'
        )
    classes = LABEL_SETS[label_set]
    palette = _PALETTES.get(label_set, PALETTE)
    return {
        'classes': classes,
        'palette': [list(palette[name]) for name in classes],
    }


def label_table(id_list: str, label_set: str) -> dict[int | str, int]:
    """Return the table from the ids of a data set to those of a label set.

    Args:
        id_list: A key of ``VALID_IDS``: how the label files are numbered.
        label_set: A key of ``LABEL_SETS``.

    Returns:
        One entry for every id of the list; 255 for those not trained.

    Raises:
        ConfigError: If either name is unknown.
    """
    if id_list not in VALID_IDS:
        raise ConfigError(
            f'label_table={id_list!r} is unknown; choose one of '
            f'{sorted(VALID_IDS)} or write the table as {{id: train_id}}'
        )
    names: Mapping[int, str | None] = ID_NAMES[id_list]
    if label_set in ('seven_class', 'seven_class_consistent'):
        consistent = label_set == 'seven_class_consistent'
        names = seven_class_names(id_list, ID_NAMES[id_list], consistent)
    classes = label_set_metainfo(label_set)['classes']
    train_id: dict[str | None, int] = {
        name: index for index, name in enumerate(classes)
    }
    return {
        key: train_id.get(names.get(key), IGNORE_ID)
        for key in VALID_IDS[id_list]
    }


# How a config gives a table: the name of an id list, a dict or list of train
# ids, or None if the files hold train ids already.
LabelTable = str | Mapping[int | str, int] | Sequence[int] | None

# Entry of a dense table for ids that the data set does not define.
UNKNOWN_ID = 254
# Key of a table for all ids that it does not list.
OTHERS = 'others'
# Of label files: what 16 bits hold.
LAST_ID = 65535


def identity_table(num_classes: int) -> dict[int | str, int]:
    """Return the table of labels that hold train ids already."""
    return {**{i: i for i in range(num_classes)}, IGNORE_ID: IGNORE_ID}


def lookup_table(
    table: Mapping[int | str, int] | Sequence[int],
    num_classes: int,
) -> np.ndarray:
    """Turn a table into a dense array, for one indexing per image.

    Args:
        table: ``{id: train_id}`` or a list whose positions are the ids. Id -1
            is the same as 255. The key ``'others'`` gives the train id of all
            ids that are not listed; without it they become ``UNKNOWN_ID``,
            which the loader reports as an error.
        num_classes: Train ids must be below it, or 255.

    Returns:
        uint8 array of at least 256 train ids; with ``'others'`` of all ids
        that there can be.

    Raises:
        ConfigError: If an id or train id of the table is not possible.
    """
    entries = table if isinstance(table, Mapping) else enumerate(table)
    train_ids = {
        key if key == OTHERS else _whole(key, 'id'): _whole(value, 'train id')
        for key, value in dict(entries).items()
    }
    wrong = sorted({*train_ids.values()} - {*range(num_classes), IGNORE_ID})
    if wrong:
        raise ConfigError(
            f'label_table has train ids {wrong}; they must be '
            f'0..{num_classes - 1} or {IGNORE_ID}'
        )
    size = LAST_ID + 1 if OTHERS in train_ids else 256
    others = train_ids.pop(OTHERS, UNKNOWN_ID)
    ids = {int(key): value for key, value in train_ids.items()}
    if -1 in ids:
        both = ids.pop(-1)
        if ids.setdefault(255, both) != both:
            raise ConfigError(
                f'label_table has the train id {both} for -1 and {ids[255]} '
                'for 255, which are one id; leave one of them out'
            )
    outside = [i for i in ids if not 0 <= i <= LAST_ID]
    if outside or not ids:
        raise ConfigError(
            f'label_table has ids {outside}; a table needs at least one id '
            f'and all within 0..{LAST_ID}'
        )
    dense = np.full(max(size, max(ids) + 1), others, dtype=np.uint8)
    dense[list(ids)] = list(ids.values())
    return dense


def _whole(value: Any, what: str) -> int:
    # A config that went through a file may hold the ids as strings.
    if not re.fullmatch(r'-?\d{1,9}(\.0*)?', str(value)):
        raise ConfigError(
            f'label_table has the {what} {shorten(repr(value))}; it must be a '
            'whole number'
        )
    return int(float(value))
