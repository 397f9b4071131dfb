# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Cityscapes (Cordts et al., CVPR 2016) as downloaded."""

from mmuda.datasets.labels.lookup import LabelTable
from mmuda.datasets.sets.base import DomainSegDataset
from mmuda.registry import DATASETS


@DATASETS.register_module()
class CityscapesLabelIdsDataset(DomainSegDataset):
    """Cityscapes with its ``_gtFine_labelIds.png`` files, not converted.

    mmseg's ``CityscapesDataset`` wants ``_labelTrainIds.png`` files, which a
    script has to write first, and knows the 19 classes only.

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
        img_suffix: str = '_leftImg8bit.png',
        seg_map_suffix: str = '_gtFine_labelIds.png',
        **kwargs,
    ) -> None:
        super().__init__(
            label_set=label_set,
            label_table=label_table,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )
