# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Noticing label files that are numbered in another way than their table.

Most ids are valid in several numberings, so that labels of the wrong kind are
read without an error: in train ids 11 is a person, in the label ids of
Cityscapes a building. The names of the files tell, and what the ids would
mean: no street scene is mostly persons and poles.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from mmuda.datasets.label_maps import ID_NAMES, IGNORE_ID, VALID_IDS
from mmuda.utils.errors import ConfigError

_TRAIN_IDS = ('train_ids', 'bdd100k')
_ID_NAME = re.compile(r'(train|label)[-_]?ids?(?![a-z])', re.IGNORECASE)

# Rough shares of the classes in street scenes, between those of Cityscapes
# and of synthetic sets; only their order of magnitude counts.
_SHARES = {
    'road': 0.33,
    'sidewalk': 0.07,
    'building': 0.19,
    'wall': 0.008,
    'fence': 0.009,
    'pole': 0.012,
    'traffic light': 0.002,
    'traffic sign': 0.005,
    'vegetation': 0.14,
    'terrain': 0.012,
    'sky': 0.10,
    'person': 0.012,
    'rider': 0.002,
    'car': 0.06,
    'truck': 0.005,
    'bus': 0.004,
    'train': 0.002,
    'motorcycle': 0.002,
    'bicycle': 0.005,
}
# Of all ids together that have none of these names.
_OTHERS = 0.05
_CANDIDATES = (
    'train_ids',
    'cityscapes',
    'gta5',
    'synthia',
    'idd',
    'mapillary_vistas',
    'mapillary_vistas_v2',
)
# Nats a pixel by which another numbering must explain the ids better, also
# those of a scene or two, which may be odd; and how well: real data needs 1.5
# to 2.5, ids at random 5.
_MARGIN = 1.0
_MARGIN_OF_FEW = 1.5
_PLAUSIBLE = 3.2
_FEWEST_IDS = 3


def check_file_names(id_list: str | None, names: Iterable[str]) -> None:
    """Refuse files whose names say that they are numbered in another way.

    Args:
        id_list: The data set's ``label_table`` if it is one of ours.
        names: Names of label files, or their suffix. Of paths the last part
            that says something counts.

    Raises:
        ConfigError: A name contradicts the table.
    """
    if id_list is None:
        return
    other, table = 'label', 'cityscapes'
    if id_list not in _TRAIN_IDS:
        other, table = 'train', 'train_ids'
    name = next((n for n in names if _kind_of_ids(n) == other), None)
    if name is not None:
        raise ConfigError(
            f"'{name}' names files of {other} ids, which "
            f'label_table={id_list!r} would read as other classes; set '
            f'label_table={table!r}, or name the files of its ids '
            '(seg_map_suffix)'
        )


def _kind_of_ids(name: str) -> str | None:
    found = _ID_NAME.findall(name)
    return found[-1].lower() if found else None


def other_numbering(
    id_list: str | None, counts: Mapping[int, int], is_few: bool = False
) -> str | None:
    """Tell which numbering labels have instead of that of their table.

    Args:
        id_list: The data set's ``label_table`` if it is one of ours.
        counts: Pixels of each id in some labels.
        is_few: Whether they are of few labels, which takes more to tell.

    Returns:
        A key of ``VALID_IDS``; None if the ids are plausible or there are too
        few different ones to tell.
    """
    ids = [i for i, n in counts.items() if n and i != IGNORE_ID]
    if id_list is None or len(ids) < _FEWEST_IDS:
        return None
    surprises = {name: _surprise(name, ids, counts) for name in VALID_IDS}
    # Conventions of the same ids, such as that of ADAS, are no others.
    same = [n for n, v in VALID_IDS.items() if v == VALID_IDS[id_list]]
    own = min(surprises[name] for name in same)
    best = min(_CANDIDATES, key=surprises.get)
    margin = _MARGIN_OF_FEW if is_few else _MARGIN
    if best in same or surprises[best] > min(own - margin, _PLAUSIBLE):
        return None
    return best


def _surprise(
    id_list: str, ids: list[int], counts: Mapping[int, int]
) -> float:
    """Nats a pixel that the ids have if they are of a numbering."""
    shares = _id_shares(id_list)
    if any(i not in shares for i in ids):
        return float('inf')
    if counts.get(IGNORE_ID) and IGNORE_ID not in VALID_IDS[id_list]:
        return float('inf')
    pixels = np.array([counts[i] for i in ids], np.float64)
    logs = np.log([shares[i] for i in ids])
    return float(-(pixels * logs).sum() / pixels.sum())


@lru_cache
def _id_shares(id_list: str) -> dict[int, float]:
    """Expected share of each id of a numbering."""
    names = ID_NAMES[id_list]
    ids = [i for i in VALID_IDS[id_list] if i != IGNORE_ID]
    groups: dict[str | None, list[int]] = {}
    for i in ids:
        groups.setdefault(names.get(i), []).append(i)
    return {
        i: _SHARES.get(name, _OTHERS) / len(members)
        for name, members in groups.items()
        for i in members
    }
