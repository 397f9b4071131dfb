# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Data sets that are a folder of images and perhaps one of labels."""

from mmuda.datasets.labels.lookup import LabelTable
from mmuda.datasets.sets.base import DomainSegDataset
from mmuda.registry import DATASETS


@DATASETS.register_module()
class FolderDataset(DomainSegDataset):
    """Your own data: ``images/<key>.jpg``, ``labels/<key>.png``, a list.

    Nothing about the data is assumed: give the classes by ``label_set`` or by
    ``metainfo=dict(classes=..., palette=...)`` with ``label_set=None``, and
    ``label_table`` if label files do not hold the train ids. All arguments
    are those of ``DomainSegDataset``.
    """


@DATASETS.register_module()
class CARLADataset(DomainSegDataset):
    """CARLA images with labels of Cityscapes train ids.

    The bottom sixth of each image shows the ego car, labelled 255: cut it off
    with ``CropFraction(bottom=1 / 6)``.

    Args:
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``.
        **kwargs: Passed to ``DomainSegDataset``.
    """

    def __init__(
        self,
        label_set: str | None = 'carla_camvid10',
        label_table: LabelTable = 'train_ids',
        **kwargs,
    ) -> None:
        super().__init__(
            label_set=label_set, label_table=label_table, **kwargs
        )


@DATASETS.register_module()
class CamVidDataset(CARLADataset):
    """CamVid (Brostow et al., 2009) with labels of Cityscapes train ids.

    The layout is that of ``CARLADataset``. Its files fold rider and bicycle
    into train id 18, which the ten shared classes ignore.
    """
