# Copyright (c) mmuda authors.
"""The seven classes of street scenes that several data sets share.

Sources: ESL (CVPRW 2020) and MTAF (ICCV 2021); where their tables treat the
same thing differently from set to set, a consistent one stands beside them.
"""

from collections.abc import Mapping

from mmuda.datasets.labels.idd_labels import IDD_LABELS, IDD_SEVEN
from mmuda.datasets.labels.mapillary_labels import (
    MAPILLARY_ADAS_SEVEN,
    MAPILLARY_SEVEN,
    renumber_for_v2,
)

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
    'urbansyn': {9: 'nature'},
    'carla': {10: 'nature'},
    'carla_0.9.13': {22: 'nature'},
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
    'carla': {26: 'construction', 28: 'construction'},
    'carla_0.9.13': {15: 'construction', 17: 'construction'},
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
    seven: dict[int, str | None] = {
        key: _SEVEN_OF_CLASS[name] for key, name in names.items()
    }
    seven.update(_PUBLISHED.get(id_list, {}))
    if consistent:
        seven.update(_CONSISTENT.get(id_list, {}))
    return seven
