# Copyright (c) mmuda authors.
"""Counting the pixels of an image by two maps of classes."""

import torch
from torch import Tensor

# At a time: 64-bit numbers of all pixels of a photo take hundreds of MB.
_PIXELS = 2**20


def count_pairs(
    truth: Tensor, prediction: Tensor, num_classes: int, ignore_index: int
) -> Tensor:
    """Count the pixels of an image by true and predicted class.

    Args:
        truth: (H, W) true classes, ``ignore_index`` where unknown.
        prediction: (H, W) predicted classes, on the same device.
        num_classes: Number of classes C.
        ignore_index: Of pixels that do not count.

    Returns:
        (C + 1, C + 1) int64, rows true and columns predicted classes; the
        last ones are for classes from C on.
    """
    side = num_classes + 1
    counts = truth.new_zeros(side * side, dtype=torch.long)
    parts = zip(
        truth.flatten().split(_PIXELS),
        prediction.flatten().split(_PIXELS),
        strict=True,
    )
    for true, predicted in parts:
        known = true != ignore_index
        rows = true[known].long().clamp(max=num_classes)
        columns = predicted[known].long().clamp(max=num_classes)
        counts += torch.bincount(rows * side + columns, minlength=side * side)
    return counts.view(side, side)
