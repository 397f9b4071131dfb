# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""BDD100K (Yu et al., CVPR 2020), its 10k images with semantic labels."""

from mmuda.datasets.labels.lookup import LabelTable
from mmuda.datasets.sets.base import DomainSegDataset
from mmuda.registry import DATASETS


@DATASETS.register_module()
class BDD100KDataset(DomainSegDataset):
    """BDD100K as downloaded, in either layout.

    The official archives unpack to ``images/10k/<split>/*.jpg`` and
    ``labels/sem_seg/masks/<split>/*.png``; the older release has
    ``seg/images/<split>/*.jpg`` and ``seg/labels/<split>/*_train_id.png``,
    which needs ``seg_map_suffix='_train_id.png'``. Labels of both hold
    Cityscapes train ids and 255; ``sem_seg/colormaps`` and
    ``seg/color_labels`` hold colours.

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
        label_table: LabelTable = 'bdd100k',
        img_suffix: str = '.jpg',
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
