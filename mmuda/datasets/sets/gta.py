# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""GTA5 (Richter et al., "Playing for Data", ECCV 2016)."""

from mmuda.datasets.labels.lookup import LabelTable
from mmuda.datasets.sets.base import DomainSegDataset
from mmuda.registry import DATASETS


@DATASETS.register_module()
class GTA5Dataset(DomainSegDataset):
    """GTA5: ``images/00001.png`` and palette PNGs ``labels/00001.png``.

    Labels hold Cityscapes ids, and 34 for license plates. Users report that
    the labels 20801 to 20860 differ in size from their images: published
    training code resizes both and does not notice, which is
    ``LoadLabels(resize_mismatch=True)``; ``exclude`` leaves pairs out. Images
    15188 and 17705 are reported to be blank.

    Args:
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``.
        img_suffix: Suffix of images; ``.jpg`` for many translated sets.
        seg_map_suffix: Suffix of labels.
        **kwargs: Passed to ``DomainSegDataset``.
    """

    def __init__(
        self,
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = 'gta5',
        img_suffix: str = '.png',
        seg_map_suffix: str = '.png',
        **kwargs,
    ) -> None:
        super().__init__(
            label_set=label_set,
            label_table=label_table,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )
