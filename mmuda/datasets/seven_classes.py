# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Seven classes for every data set, as published and made consistent.

Published tables treat the same thing differently: terrain is flat in GTA5,
SYNTHIA and Vistas, nature in Cityscapes and ignored in IDD; bridges, tunnels
and guard rails are construction in Vistas and ignored elsewhere; billboards
are objects in IDD and ignored elsewhere. ``seven_class`` keeps that, since
results are only comparable with it. ``seven_class_consistent`` makes terrain
nature, as Cityscapes' own category has it, and bridges, tunnels and guard
rails construction; billboards are ignored, for only IDD and Vistas have a
label for them. All else is as published.

Sources: the code of MTAF (ICCV 2021), CoaST (WACV 2023) and MCL (TCSVT 2024).
BDD100K is in none of them: its train ids are taken as those of Cityscapes.
"""

from collections.abc import Mapping

from mmuda.datasets.idd_labels import IDD_LABELS, IDD_SEVEN
from mmuda.datasets.mapillary_labels import (
    MAPILLARY_ADAS_SEVEN,
    MAPILLARY_SEVEN,
)
from mmuda.datasets.mapillary_v2_labels import renumber_for_v2

SEVEN_CLASSES = (
    'flat',
    'construction',
    'object',
    'nature',
    'sky',
    'human',
    'vehicle',
)

_SEVEN_OF_CLASS = {
    **dict.fromkeys(('road', 'sidewalk', 'terrain'), 'flat'),
    **dict.fromkeys(('building', 'wall', 'fence'), 'construction'),
    **dict.fromkeys(('pole', 'traffic light', 'traffic sign'), 'object'),
    'vegetation': 'nature',
    'sky': 'sky',
    **dict.fromkeys(('person', 'rider'), 'human'),
    **dict.fromkeys(
        ('car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'), 'vehicle'
    ),
}

# Id list -> {id: class or None}, where the nineteen classes do not tell it:
# caravans and trailers of Cityscapes are vehicles, for example.
_PUBLISHED: dict[str, Mapping[int, str | None]] = {
    'cityscapes': {22: 'nature', 29: 'vehicle', 30: 'vehicle'},
    'train_ids': {9: 'nature'},
    'bdd100k': {9: 'nature'},
    'idd': IDD_SEVEN,
    'mapillary_vistas': MAPILLARY_SEVEN,
    'mapillary_vistas_adas': MAPILLARY_ADAS_SEVEN,
    'mapillary_vistas_v2': renumber_for_v2(MAPILLARY_SEVEN),
    'mapillary_vistas_v2_adas': renumber_for_v2(MAPILLARY_ADAS_SEVEN),
}

_CITYSCAPES_CONSISTENT = {
    **dict.fromkeys((14, 15, 16), 'construction'),
    22: 'nature',
}
_VISTAS_CONSISTENT = {29: 'nature'}
_VISTAS_V2_CONSISTENT = renumber_for_v2(_VISTAS_CONSISTENT)

# Id list -> {id: class or None}, where the published table is not consistent.
_CONSISTENT: dict[str, Mapping[int, str | None]] = {
    'cityscapes': _CITYSCAPES_CONSISTENT,
    'gta5': _CITYSCAPES_CONSISTENT,
    'synthia': {16: 'nature'},
    'idd': {
        IDD_LABELS.index('non-drivable fallback'): 'nature',
        IDD_LABELS.index('guard rail'): 'construction',
        IDD_LABELS.index('bridge'): 'construction',
        IDD_LABELS.index('tunnel'): 'construction',
        IDD_LABELS.index('billboard'): None,
    },
    'mapillary_vistas': _VISTAS_CONSISTENT,
    'mapillary_vistas_adas': _VISTAS_CONSISTENT,
    'mapillary_vistas_v2': _VISTAS_V2_CONSISTENT,
    'mapillary_vistas_v2_adas': _VISTAS_V2_CONSISTENT,
}


def seven_class_names(
    id_list: str, names: Mapping[int, str], consistent: bool
) -> dict[int, str | None]:
    """Return which of the seven classes each id belongs to.

    Args:
        id_list: How the ids are numbered, a key of ``VALID_IDS``.
        names: ``{id: Cityscapes class}`` of that list.
        consistent: Whether to treat all data sets alike.

    Returns:
        ``{id: class}``; ids that are left out or None have no class.
    """
    seven = {key: _SEVEN_OF_CLASS[name] for key, name in names.items()}
    seven.update(_PUBLISHED.get(id_list, {}))
    if consistent:
        seven.update(_CONSISTENT.get(id_list, {}))
    return seven
