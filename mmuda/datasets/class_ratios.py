# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How much of the labelled pixels each class has."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.progress import track

from mmuda.datasets.base import DomainSegDataset
from mmuda.datasets.image_io import map_ids
from mmuda.datasets.loading import read_label_ids
from mmuda.utils.errors import ConfigError, DataError


def class_ratios(
    dataset: DomainSegDataset, workers: int = 4, progress: bool = True
) -> np.ndarray:
    """Count the pixels of each class in all labels.

    Args:
        dataset: A labelled data set.
        workers: Number of reading threads; decoding releases the GIL.
        progress: Whether to show a bar.

    Returns:
        (C,) float64 parts of the labelled pixels; they sum to 1.

    Raises:
        ConfigError: The data set has no labels.
        DataError: A label can't be read, or none has a labelled pixel.
    """
    if not dataset.has_labels:
        raise ConfigError(
            f'{type(dataset).__name__} has no labels; give '
            'data_prefix.seg_map_path'
        )
    num_classes = len(dataset.metainfo['classes'])

    def count(index: int) -> np.ndarray:
        info = dataset.get_data_info(index)
        labels = map_ids(
            read_label_ids(info), info['label_lut'], info['seg_map_path']
        )
        return np.bincount(labels.ravel(), minlength=256)[:num_classes]

    with ThreadPoolExecutor(max_workers=workers) as pool:
        counts = track(
            pool.map(count, range(len(dataset))),
            description='labels',
            total=len(dataset),
            disable=not progress,
        )
        total = sum(counts, np.zeros(num_classes, np.int64))
    if total.sum() == 0:
        raise DataError('no label has a pixel of any class')
    return total / total.sum()
