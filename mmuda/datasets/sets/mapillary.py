# Copyright (c) mmuda authors.
"""Mapillary Vistas (Neuhold et al., ICCV 2017)."""

import os
from collections.abc import Mapping, Sequence

from mmuda.datasets.images.image_io import decode_ids, read_bytes
from mmuda.datasets.labels.label_maps import LabelTable
from mmuda.datasets.labels.mapillary_labels import MAPILLARY_IDS
from mmuda.datasets.labels.named_ids import own_table
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError


@DATASETS.register_module()
class MapillaryVistasDataset(DomainSegDataset):
    """Vistas as downloaded: ``training/images/*.jpg``, ``labels/*.png``.

    Labels are palette PNGs, of v1.2 with the ids 0 to 65, or of v2.0 with the
    ids 0 to 123, which number other classes. Labels of the other version than
    the table's are refused. mmseg's ``MapillaryDataset_v1`` trains all 66
    classes and has no common ones with other data sets.

    Args:
        data_prefix: See ``DomainSegDataset``. Of a folder in ``training`` or
            ``validation`` that is in ``train`` or ``val`` instead, or the
            reverse, that one is taken.
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``: ``'mapillary_vistas'`` of v1.2,
            ``'mapillary_vistas_v2'`` of v2.0, each with ``_adas`` behind it
            in the convention of ADAS. The version is checked with one of
            these only.
        img_suffix: Suffix of images.
        seg_map_suffix: Suffix of labels.
        **kwargs: Passed to ``DomainSegDataset``.

    Raises:
        ConfigError: If the label folder does not exist, but those of a
            download of v2.0 do, or see ``DomainSegDataset``.
        DataError: If the first labels are of the other version, or see
            ``DomainSegDataset``.
    """

    def __init__(
        self,
        data_prefix: Mapping[str, str | None],
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = 'mapillary_vistas',
        img_suffix: str = '.jpg',
        seg_map_suffix: str = '.png',
        **kwargs,
    ) -> None:
        label_table = own_table(label_table, 'mapillary_vistas', kwargs)
        self.label_table = label_table
        root = kwargs.get('data_root')
        prefix = {
            name: None if path is None else existing_split(path, root)
            for name, path in data_prefix.items()
        }
        # Here, to be found with lazy_init too.
        refuse_missing_labels(prefix, root)
        super().__init__(
            data_prefix=prefix,
            label_set=label_set,
            label_table=label_table,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """List the samples, after a look at the first labels."""
        samples = super().load_data_list()
        if self.has_labels:
            paths = [sample['seg_map_path'] for sample in samples]
            refuse_v1(paths, self.label_table)
            refuse_v2(paths[0], self.label_table)
        return samples

    def prepare_data(self, idx: int) -> dict:
        """Return the sample after the pipeline.

        Raises:
            DataError: If a file is faulty; of a label of v2.0 that comes
                after sound ones of v1.2 it says so.
        """
        try:
            return super().prepare_data(idx)
        except DataError:
            if self.has_labels:
                path = self.get_data_info(idx)['seg_map_path']
                refuse_v2(path, self.label_table)
            raise


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
    images, labels = prefix.get('img_path'), prefix.get('seg_map_path')
    if images is None or labels is None or _exists(labels, data_root):
        return
    split = os.path.dirname(images.rstrip('/'))
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
