# Copyright (c) mmuda authors.
"""Label ids that the street scenes are drawn and written with.

They are those of Cityscapes, and above them own ones of what Cityscapes has
no label for; its files and those of GTA5 have a near one instead.
"""

from typing import NamedTuple

import numpy as np

from mmuda.utils.names import IGNORE_ID


class Label(NamedTuple):
    """One row of the label table.

    Attributes:
        name: Cityscapes class name, or an own one.
        label_id: Cityscapes label id, also used by GTA5, or an own one.
        train_id: Cityscapes train id, 255 if not evaluated.
        synthia_id: SYNTHIA-RAND-CITYSCAPES class id, 0 if it has none.
        colour: Cityscapes colour, RGB.
    """

    name: str
    label_id: int
    train_id: int
    synthia_id: int
    colour: tuple[int, int, int]


LABELS = tuple(
    Label(*row)
    for row in (
        ('unlabeled', 0, IGNORE_ID, 0, (0, 0, 0)),
        ('ego vehicle', 1, IGNORE_ID, 0, (0, 0, 0)),
        ('rectification border', 2, IGNORE_ID, 0, (0, 0, 0)),
        ('out of roi', 3, IGNORE_ID, 0, (0, 0, 0)),
        ('static', 4, IGNORE_ID, 0, (0, 0, 0)),
        ('dynamic', 5, IGNORE_ID, 0, (111, 74, 0)),
        ('ground', 6, IGNORE_ID, 0, (81, 0, 81)),
        ('road', 7, 0, 3, (128, 64, 128)),
        ('sidewalk', 8, 1, 4, (244, 35, 232)),
        ('parking', 9, IGNORE_ID, 13, (250, 170, 160)),
        ('rail track', 10, IGNORE_ID, 0, (230, 150, 140)),
        ('building', 11, 2, 2, (70, 70, 70)),
        ('wall', 12, 3, 21, (102, 102, 156)),
        ('fence', 13, 4, 5, (190, 153, 153)),
        ('guard rail', 14, IGNORE_ID, 0, (180, 165, 180)),
        ('bridge', 15, IGNORE_ID, 0, (150, 100, 100)),
        ('tunnel', 16, IGNORE_ID, 0, (150, 120, 90)),
        ('pole', 17, 5, 7, (153, 153, 153)),
        ('polegroup', 18, IGNORE_ID, 0, (153, 153, 153)),
        ('traffic light', 19, 6, 15, (250, 170, 30)),
        ('traffic sign', 20, 7, 9, (220, 220, 0)),
        ('vegetation', 21, 8, 6, (107, 142, 35)),
        ('terrain', 22, 9, 16, (152, 251, 152)),
        ('sky', 23, 10, 1, (70, 130, 180)),
        ('person', 24, 11, 10, (220, 20, 60)),
        ('rider', 25, 12, 17, (255, 0, 0)),
        ('car', 26, 13, 8, (0, 0, 142)),
        ('truck', 27, 14, 18, (0, 0, 70)),
        ('bus', 28, 15, 19, (0, 60, 100)),
        ('caravan', 29, IGNORE_ID, 0, (0, 0, 90)),
        ('trailer', 30, IGNORE_ID, 0, (0, 0, 110)),
        ('train', 31, 16, 20, (0, 80, 100)),
        ('motorcycle', 32, 17, 12, (0, 0, 230)),
        ('bicycle', 33, 18, 11, (119, 11, 32)),
        # Own ids; Cityscapes and GTA5 end at 34.
        ('autorickshaw', 64, IGNORE_ID, 0, (255, 204, 54)),
        ('billboard', 65, IGNORE_ID, 0, (174, 64, 67)),
    )
)
LABEL_IDS = {label.name: label.label_id for label in LABELS}
TRAIN_NAMES = tuple(
    label.name
    for label in sorted(LABELS, key=lambda label: label.train_id)
    if label.train_id != IGNORE_ID
)
INSTANCE_NAMES = (
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'train',
    'motorcycle',
    'bicycle',
)

# Own label -> the one of Cityscapes for such things.
_IN_CITYSCAPES = {'autorickshaw': 'dynamic', 'billboard': 'static'}

# CARLA has train ids plus one since 0.9.14; before, all vehicles were one.
_VEHICLES = ('car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
_OLD_TAGS = {
    'building': 1,
    'fence': 2,
    **dict.fromkeys(('person', 'rider'), 4),
    'pole': 5,
    'road': 7,
    'sidewalk': 8,
    'vegetation': 9,
    **dict.fromkeys(_VEHICLES, 10),
    'wall': 11,
    'traffic sign': 12,
    'sky': 13,
    'traffic light': 18,
    'terrain': 22,
}


def _table(column: str, fill: int) -> np.ndarray:
    table = np.full(256, fill, np.uint8)
    for label in LABELS:
        table[label.label_id] = getattr(label, column)
    return table


_TRAIN_IDS = _table('train_id', IGNORE_ID)
_SYNTHIA_IDS = _table('synthia_id', 0)
_CITYSCAPES_IDS = _table('label_id', 0)
for _own, _label in _IN_CITYSCAPES.items():
    _CITYSCAPES_IDS[LABEL_IDS[_own]] = LABEL_IDS[_label]

_TAGS = {
    '0.9.14': _TRAIN_IDS + np.uint8(1),
    '0.9.13': np.zeros_like(_TRAIN_IDS),
}
for _name, _tag in _OLD_TAGS.items():
    _TAGS['0.9.13'][LABEL_IDS[_name]] = _tag
CARLA_VERSIONS = tuple(_TAGS)


def to_train_ids(label_ids: np.ndarray) -> np.ndarray:
    """Map label ids to Cityscapes train ids, uint8 (H, W); 255: ignored."""
    return _TRAIN_IDS[label_ids]


def to_cityscapes_ids(label_ids: np.ndarray) -> np.ndarray:
    """Map label ids to those that Cityscapes has, uint8 (H, W)."""
    return _CITYSCAPES_IDS[label_ids]


def to_synthia_ids(label_ids: np.ndarray) -> np.ndarray:
    """Map label ids to SYNTHIA class ids, uint8 (H, W)."""
    return _SYNTHIA_IDS[label_ids]


def to_carla_tags(label_ids: np.ndarray, version: str) -> np.ndarray:
    """Map label ids to tags of a version of CARLA, uint8 (H, W); 0: none."""
    return _TAGS[version][label_ids]


def label_palette() -> np.ndarray:
    """Return the RGB colour of every label id, uint8 (256, 3)."""
    palette = np.zeros((256, 3), np.uint8)
    for label in LABELS:
        palette[label.label_id] = label.colour
    return palette
