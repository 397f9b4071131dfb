# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How right pseudo-labels are, where labels exist for measuring only."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch.utils.data import Dataset

from mmuda.datasets.image_io import decode_ids, read_bytes
from mmuda.datasets.pseudo_label_store import label_path
from mmuda.utils.errors import DataError
from mmuda.utils.threads import BoundedThreads


@dataclass(frozen=True)
class Accuracy:
    """Pixel counts by class.

    Attributes:
        correct: Kept pixels whose pseudo-label is the true class, by class.
        judged: Kept pixels with a true class, by pseudo-label.
        true: Pixels of each true class, kept or not.
    """

    correct: np.ndarray
    judged: np.ndarray
    true: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Right share of the kept labels of each class, in percent."""
        return _percent(self.correct, self.judged)

    @property
    def overall(self) -> float:
        """Right share of all kept labels, in percent."""
        return float(_percent(self.correct.sum(), self.judged.sum()))

    @property
    def recall(self) -> np.ndarray:
        """Share of each true class that is kept and right, in percent."""
        return _percent(self.correct, self.true)


def measure_accuracy(
    root: Path, dataset: Dataset, device: torch.device | str = 'cpu'
) -> Accuracy:
    """Compare pseudo-labels with true labels, all processes sharing the work.

    True labels are resized to the size of the pseudo-labels (nearest
    neighbour).

    Args:
        root: Folder of the pseudo-labels.
        dataset: Its samples hold ``key`` and ``gt_seg_map``.
        device: Where processes exchange their counts.

    Raises:
        DataError: A pseudo-label is missing or damaged.
    """
    classes = len(dataset.metainfo['classes'])

    def count(index: int) -> np.ndarray:
        sample = dataset[index]
        label = read_label(root, sample['key'])
        truth = cv2.resize(
            sample['gt_seg_map'],
            label.shape[::-1],
            interpolation=cv2.INTER_NEAREST,
        )
        return count_correct(label, truth, classes)

    return Accuracy(*_summed(count, len(dataset), (3, classes), device))


def count_correct(
    label: np.ndarray, truth: np.ndarray, num_classes: int
) -> np.ndarray:
    """Count the pixels of one image.

    Args:
        label: (H, W) pseudo-labels, 255 where rejected.
        truth: (H, W) true classes, 255 where unknown.
        num_classes: Number of classes C.

    Returns:
        (3, C): right ones, judged ones by pseudo-label, true ones.
    """
    known = truth < num_classes
    judged = known & (label < num_classes)
    right = judged & (label == truth)
    return np.stack(
        [
            np.bincount(values, minlength=num_classes)
            for values in (label[right], label[judged], truth[known])
        ]
    )


def share_changed(
    old: Path,
    new: Path,
    keys: Sequence[str],
    device: torch.device | str = 'cpu',
) -> float:
    """Part of the pixels whose pseudo-label differs between two rounds.

    Args:
        old: Folder of the earlier round.
        new: Folder of the later one.
        keys: Images to compare, all processes sharing the work.
        device: Where processes exchange their counts.

    Returns:
        Share in [0, 1]; a pixel that is rejected in one round only differs.
    """

    def count(index: int) -> np.ndarray:
        before, after = (read_label(root, keys[index]) for root in (old, new))
        return np.array([(before != after).sum(), after.size])

    differing, pixels = _summed(count, len(keys), (2,), device)
    return float(differing / max(pixels, 1))


def _summed(
    count: Callable[[int], np.ndarray],
    total: int,
    shape: tuple[int, ...],
    device: torch.device | str,
) -> np.ndarray:
    """Add up counts of images over threads and processes."""
    counts = np.zeros(shape, dtype=np.int64)
    lock = Lock()

    def add(index: int) -> None:
        part = count(index)
        with lock:
            counts[...] += part

    with BoundedThreads(min(os.cpu_count() or 1, 8)) as threads:
        for index in range(get_rank(), total, get_world_size()):
            threads.submit(add, index)
    summed = torch.from_numpy(counts).to(device)
    all_reduce(summed)
    return summed.cpu().numpy()


def read_label(root: Path, key: str) -> np.ndarray:
    """Read a pseudo-label (H, W) uint8.

    Raises:
        DataError: It is missing or damaged.
    """
    file = label_path(root, key)
    try:
        return decode_ids(read_bytes(str(file)), str(file), None)
    except DataError as error:
        raise DataError(
            f'cannot read the pseudo-label {str(file)!r}; generate the labels '
            'anew with --overwrite'
        ) from error


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore', divide='ignore'):
        return 100 * np.true_divide(part, whole)
