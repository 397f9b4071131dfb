# Copyright (c) mmuda authors.
"""Soft labels on disk: class probabilities of each pixel as float16."""

import io
import os
from typing import Any

import numpy as np

from mmuda.datasets.images.image_io import read_bytes
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write, read_arrays

# Train ids are 8-bit numbers, and 255 is none of a class.
_MOST_CLASSES = 255


def write_soft_label(
    path: str | os.PathLike, probabilities: np.ndarray, top_k: int | None
) -> None:
    """Write probabilities as an ``.npz`` file, whole or those of few classes.

    Args:
        path: The file.
        probabilities: (C, h, w), at least 0; each pixel is divided by its
            sum. A pixel with NaN or infinity gets zeros: it has no label.
        top_k: Save the largest so many of each pixel with their classes; None
            saves all.

    Raises:
        ConfigError: If ``top_k`` is less than 1.
        DataError: If the disk is full.
    """
    if top_k is not None and top_k < 1:
        raise ConfigError(f'top_k={top_k} must be at least 1, or None for all')
    probabilities = _normalised(probabilities)
    num_classes = len(probabilities)
    # Arrays; numpy's stub would take them for its flags, too.
    arrays: dict[str, Any] = {}
    if top_k is not None and top_k < num_classes:
        # Stable, so that equal ones give the same file on every machine.
        order = np.argsort(-probabilities, axis=0, kind='stable')[:top_k]
        probabilities = np.take_along_axis(probabilities, order, axis=0)
        arrays['classes'] = order.astype(np.uint8)
        arrays['num_classes'] = np.int64(num_classes)
    arrays['probabilities'] = probabilities.astype(np.float16)
    file = io.BytesIO()
    # Compression takes 20 times as long and saves a third.
    np.savez(file, **arrays)
    atomic_write(path, file.getvalue())


def read_soft_label(path: str | os.PathLike) -> np.ndarray:
    """Read probabilities.

    Of a file with the largest ones only, the rest is spread evenly over the
    other classes.

    Args:
        path: A file that :func:`write_soft_label` wrote.

    Returns:
        (C, h, w) float32; each pixel sums to 1, or to 0 if it has no label.

    Raises:
        DataError: If the file is missing or damaged.
    """
    path = str(path)
    data = read_bytes(path)
    try:
        arrays = read_arrays(data)
        probabilities = arrays['probabilities'].astype(np.float32)
        if probabilities.ndim != 3:
            raise ValueError(f'shape {probabilities.shape}')
        if 'classes' in arrays:
            probabilities = _spread(
                probabilities, arrays['classes'], int(arrays['num_classes'])
            )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f'cannot read the soft label {path!r}: it is damaged; generate '
            'the pseudo-labels anew with --overwrite'
        ) from error
    return _normalised(probabilities)


def _spread(
    largest: np.ndarray, classes: np.ndarray, num_classes: int
) -> np.ndarray:
    """Return (C, h, w) of the (k, h, w) largest probabilities."""
    top_k, *size = largest.shape
    if not top_k < num_classes <= _MOST_CLASSES:
        raise ValueError(f'{top_k} of {num_classes} classes')
    if classes.shape != largest.shape or classes.dtype.kind not in 'iu':
        raise ValueError(f'classes of shape {classes.shape}')
    if classes.size and not 0 <= classes.min() <= classes.max() < num_classes:
        raise ValueError('a class that there is not')
    total = largest.sum(axis=0)
    # float16 may round the sum above 1; 0 is a pixel without a label.
    rest = np.where(total > 0, np.clip(1 - total, 0, None), 0)
    probabilities = np.empty((num_classes, *size), np.float32)
    probabilities[:] = rest / (num_classes - top_k)
    np.put_along_axis(probabilities, classes.astype(np.intp), largest, axis=0)
    return probabilities


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """Divide by the sum; zeros where that is 0 or not finite."""
    total = probabilities.sum(axis=0, dtype=np.float32)
    valid = np.isfinite(total) & (total > 0)
    # A factor of 0 would not remove NaN.
    divisor = np.where(valid, total, 1)
    return np.where(valid, probabilities / divisor, 0).astype(np.float32)
