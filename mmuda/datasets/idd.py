# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""IDD, the India Driving Dataset (Varma et al., WACV 2019)."""

import os
import re

from mmuda.datasets.base import DomainSegDataset
from mmuda.datasets.idd_polygons import PolygonLabelReader
from mmuda.datasets.lookup import LabelTable
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError

_OTHER_ID_TYPES = re.compile(r'label(level\d|cs|csTrain)Ids?\.png$', re.I)


@DATASETS.register_module()
class IDDDataset(DomainSegDataset):
    """IDD as downloaded: images, and labels as polygons in JSON files.

    ``leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png`` and
    ``gtFine/<split>/<drive>/<frame>_gtFine_polygons.json``. Frame numbers
    repeat over drives, so keys are ``<drive>/<frame>``. Polygons are drawn
    when they are first read (``idd_polygons.py``) and the drawings kept.

    Labels that AutoNUE's ``createLabels.py`` has drawn with ``--id-type id``
    are read with ``seg_map_suffix='_gtFine_labelids.png'``. Its default,
    ``level3Id``, merges labels and is refused; ``csTrainId`` needs
    ``label_table='train_ids'`` and has no autorickshaws or fallbacks, so it
    is no base for the published seven classes.

    Args:
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``.
        img_suffix: Suffix of images; ``_leftImg8bit.jpg`` for part II.
        seg_map_suffix: Suffix of labels; polygons if it ends in ``.json``.
        label_cache: Folder of the drawings, absolute or relative to
            ``data_root``; it may be shared. None to draw at every reading.
        **kwargs: Passed to ``DomainSegDataset``.

    Raises:
        ConfigError: If the labels are of another id type than the table.
    """

    def __init__(
        self,
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = 'idd',
        img_suffix: str = '_leftImg8bit.png',
        seg_map_suffix: str = '_gtFine_polygons.json',
        label_cache: str | None = 'label_cache',
        **kwargs,
    ) -> None:
        polygons = seg_map_suffix.endswith('.json')
        _check_id_type(label_table, seg_map_suffix, polygons)
        super().__init__(
            label_set=label_set,
            label_table=label_table,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )
        self.label_reader = None
        if polygons and self.has_labels:
            folder = self.data_prefix['seg_map_path']
            cache = _cache_folder(label_cache, folder, self.data_root)
            self.label_reader = PolygonLabelReader(folder, cache)

    def get_data_info(self, idx: int) -> dict:
        """Return the sample, with what reads its label."""
        info = super().get_data_info(idx)
        info['label_reader'] = self.label_reader
        return info


def _check_id_type(table: LabelTable, suffix: str, polygons: bool) -> None:
    """Raise a ConfigError if a named table is not of the labels' ids."""
    if polygons and isinstance(table, str) and table != 'idd':
        raise ConfigError(
            f'IDDDataset: label_table={table!r}, but polygons ({suffix!r}) '
            "are drawn with the ids of label_table='idd'"
        )
    if table == 'idd' and _OTHER_ID_TYPES.search(suffix):
        raise ConfigError(
            f'IDDDataset: seg_map_suffix={suffix!r} is of an id type that '
            "label_table='idd' does not know; use the polygons "
            "('_gtFine_polygons.json'), or labels made with --id-type id "
            "('_gtFine_labelids.png')"
        )


def _cache_folder(
    cache: str | None, folder: str, data_root: str | None
) -> str | None:
    """Return the folder of the drawings of a label folder.

    A part of its own for each label folder keeps splits and data sets apart.
    """
    if cache is None:
        return None
    relative = os.path.relpath(folder, data_root or None)
    if relative.startswith(os.pardir):
        relative = os.path.abspath(folder).lstrip(os.sep)
    return os.path.join(data_root or '', cache, relative)
