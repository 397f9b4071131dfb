# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The labels of Mapillary Vistas v2.0 and those of v1.2 they stand for.

The published tables know v1.2 only. Each of the 124 labels of v2.0 is taken
for the label of v1.2 that it comes from, so that every table of v1.2 is one
of v2.0 too. How sure that is:

* certain: 63 labels kept their name, among them the common ones;
* sure: ``_PARTS``, labels that say in their name which label they refine;
* decided by name: ``_NEAREST``, new labels with a likely place in v1.2;
* none: labels without any, which are ignored. ``Road Median`` and
  ``Road Side`` are barriers in the config file and ground by their name;
  pole groups are ignored in Cityscapes and IDD too; the rest are small
  objects, or void in the config file.
"""

from collections.abc import Mapping
from typing import TypeVar

from mmseg.datasets import MapillaryDataset_v1, MapillaryDataset_v2

Class = TypeVar('Class')

# Their positions are the ids in the label files; the names are those
# ("readable") of config_v2.0.json.
_V1_LABELS = MapillaryDataset_v1.METAINFO['classes']
_LABELS = MapillaryDataset_v2.METAINFO['classes']

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
        for label in _LABELS
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

MAPILLARY_V2_IDS: tuple[int, ...] = tuple(range(len(_LABELS)))


def _v1_ids() -> dict[int, int]:
    """Return the id of v1.2 for each id of v2.0 that has one."""
    same = {label: label for label in _LABELS if label in _V1_LABELS}
    other = {
        label: v1_label
        for table in (_PARTS, _NEAREST)
        for v1_label, labels in table.items()
        for label in labels
    }
    return {
        _LABELS.index(label): _V1_LABELS.index(v1_label)
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
