# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Telling the versions and folders of Mapillary Vistas from each other."""

import os
from collections.abc import Mapping, Sequence

from mmuda.datasets.image_io import decode_ids, read_bytes
from mmuda.datasets.lookup import LabelTable
from mmuda.datasets.mapillary_labels import MAPILLARY_IDS
from mmuda.utils.errors import ConfigError, DataError

# Table of v1.2 -> that of v2.0.
_V2_TABLE = {
    'mapillary_vistas': 'mapillary_vistas_v2',
    'mapillary_vistas_adas': 'mapillary_vistas_v2_adas',
}
# Tuples, since a table of one's own has no hash.
_V1_TABLES, _V2_TABLES = tuple(_V2_TABLE), tuple(_V2_TABLE.values())
_LAST = MAPILLARY_IDS[-1]
# So many labels of v2.0 without an id above those of v1.2 are not by chance.
_LABELS_OF_V2 = 3
_SPLITS = (('training', 'train'), ('validation', 'val'))
# Label folders in the split's folder of a download of v2.0 -> their table.
_LABEL_FOLDERS = {
    'v1.2/labels': 'mapillary_vistas',
    'v2.0/labels': 'mapillary_vistas_v2',
}


def refuse_v2(path: str, table: LabelTable) -> None:
    """Raise a DataError if a label is of v2.0 and its table of v1.2.

    Args:
        path: A label file.
        table: The data set's ``label_table``; only ours are checked.
    """
    if table not in _V1_TABLES:
        return
    highest = _highest_id(path)
    if highest > _LAST:
        raise DataError(
            f'label {path!r} has the id {highest}, but Mapillary Vistas v1.2 '
            f'ends at {_LAST}. Most likely it is a label of v2.0 (124 '
            f'classes): use label_table={_V2_TABLE[table]!r}, or set '
            'data_prefix.seg_map_path to labels of v1.2; a download of v2.0 '
            'has them in v1.2/labels'
        )


def refuse_v1(paths: Sequence[str], table: LabelTable) -> None:
    """Raise a DataError if labels are of v1.2 and their table of v2.0.

    Only v2.0 has ids above 65, those of cars, poles and the camera's own
    vehicle among them.

    Args:
        paths: Label files; the first three are read.
        table: The data set's ``label_table``; only ours are checked.
    """
    if table not in _V2_TABLES:
        return
    paths = paths[:_LABELS_OF_V2]
    if max(map(_highest_id, paths)) <= _LAST:
        raise DataError(
            f'the first {len(paths)} label(s), from {paths[0]!r}, have no id '
            f'above {_LAST}. Most likely they are of Mapillary Vistas v1.2: '
            f'use label_table={table.replace("_v2", "")!r}, or set '
            'data_prefix.seg_map_path to labels of v2.0 (v2.0/labels)'
        )


def refuse_missing_labels(
    prefix: Mapping[str, str | None], data_root: str | None
) -> None:
    """Raise a ConfigError if labels are in the folders of v2.0 instead.

    Args:
        prefix: ``data_prefix``: ``img_path``, in the folder of the split, and
            ``seg_map_path``, if labels are wanted.
        data_root: What both are relative to.
    """
    labels = prefix.get('seg_map_path')
    if labels is None or _exists(labels, data_root):
        return
    split = os.path.dirname(prefix['img_path'].rstrip('/'))
    found = [
        f'{os.path.join(split, folder)!r} with label_table={table!r}'
        for folder, table in _LABEL_FOLDERS.items()
        if _exists(os.path.join(split, folder), data_root)
    ]
    if found:
        raise ConfigError(
            f'folder {os.path.join(data_root or "", labels)!r} does not '
            'exist, but the labels of a download of Mapillary Vistas v2.0 '
            f'do: set data_prefix.seg_map_path to {", or to ".join(found)}'
        )


def _highest_id(path: str) -> int:
    return int(decode_ids(read_bytes(path), path, None).max())


def existing_split(path: str, data_root: str | None) -> str:
    """Return a folder, or that of the split's other name if only it exists.

    Args:
        path: A folder in ``training``, ``train``, ``validation`` or ``val``,
            or any other.
        data_root: What it is relative to.
    """
    split, *rest = path.split('/')
    for names in _SPLITS:
        if split in names:
            other = '/'.join([names[1 - names.index(split)], *rest])
            if not _exists(path, data_root) and _exists(other, data_root):
                return other
    return path


def _exists(path: str, data_root: str | None) -> bool:
    return os.path.isdir(os.path.join(data_root or '', path))
