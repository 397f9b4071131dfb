# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Synscapes (Wrenninge and Unger, arXiv:1810.08705)."""

from mmuda.datasets.labels.lookup import LabelTable
from mmuda.datasets.sets.base import DomainSegDataset
from mmuda.registry import DATASETS


@DATASETS.register_module()
class SynscapesDataset(DomainSegDataset):
    """Synscapes as downloaded: ``img/rgb-2k/1.png`` and ``img/class/1.png``.

    Labels hold Cityscapes ids in the size of ``img/rgb``, 1440x720. Images of
    ``img/rgb-2k`` are 2048x1024, so they need
    ``LoadLabels(resize_mismatch=True)``.

    Args:
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``.
        img_suffix: Suffix of images.
        seg_map_suffix: Suffix of labels.
        **kwargs: Passed to ``DomainSegDataset``.
    """

    def __init__(
        self,
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = 'cityscapes',
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
