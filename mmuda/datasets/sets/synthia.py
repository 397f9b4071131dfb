# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016)."""

from mmuda.datasets.labels.lookup import LabelTable
from mmuda.datasets.sets.base import DomainSegDataset
from mmuda.registry import DATASETS


@DATASETS.register_module()
class SYNTHIADataset(DomainSegDataset):
    """SYNTHIA: ``RGB/0000000.png`` and 16-bit ``GT/LABELS/0000000.png``.

    The red channel of a label is the class, the green one the instance. Files
    that were reduced to one channel are read too.

    Args:
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``.
        label_channel: See ``DomainSegDataset``.
        img_suffix: Suffix of images.
        seg_map_suffix: Suffix of labels.
        **kwargs: Passed to ``DomainSegDataset``.
    """

    def __init__(
        self,
        label_set: str | None = 'synthia16',
        label_table: LabelTable = 'synthia',
        label_channel: int | None = 0,
        img_suffix: str = '.png',
        seg_map_suffix: str = '.png',
        **kwargs,
    ) -> None:
        super().__init__(
            label_set=label_set,
            label_table=label_table,
            label_channel=label_channel,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )
