# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""From soft pseudo-labels to labels of those pixels that are sure enough."""

import math

import torch
from torch import Tensor

from .entropy import normalised_entropy

_IGNORE = 255


def class_entropy_mask(
    probabilities: Tensor, quantile: float = 0.5, floor: float = 0.25
) -> Tensor:
    """Label the surer part of each class's pixels (MCL, TCSVT 2024).

    Of the n pixels of the batch that a class wins, sorted by entropy, the one
    at position round(quantile * n), counted from 0, is the threshold of the
    class, but at least ``floor``. Pixels below it keep their label. A half
    is rounded to the even number, as Python, NumPy and PyTorch alike do; past
    the end the last pixel counts.

    Args:
        probabilities: (N, C, H, W); each pixel sums to 1, or is all zeros if
            it has no label.
        quantile: Part of a class's pixels, in [0, 1].
        floor: Normalised entropy in [0, 1] below which a pixel is sure
            whatever its class.

    Returns:
        (N, H, W) long classes, 255 where rejected or without a label.
    """
    labels = confidence_mask(probabilities)
    entropy = normalised_entropy(probabilities)
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    members = labels.flatten() == classes[:, None]
    counts = members.sum(dim=1)
    positions = (quantile * counts.double()).round().long()
    positions = positions.minimum(counts - 1).clamp(min=0)
    # Sorted in one go, without waiting for the device class by class.
    ranked = entropy.flatten().where(members, math.inf).sort(dim=1).values
    thresholds = ranked.gather(1, positions[:, None]).clamp(min=floor)
    sure = members & (entropy.flatten() < thresholds)
    return labels.where(sure.any(dim=0).view_as(labels), _IGNORE)


def confidence_mask(probabilities: Tensor, threshold: float = -1.0) -> Tensor:
    """Label the pixels whose largest probability reaches a threshold.

    Args:
        probabilities: (N, C, H, W); each pixel sums to 1, or is all zeros if
            it has no label.
        threshold: Smallest probability that counts as sure. CoaST (WACV 2023)
            takes -1: every pixel with a label.

    Returns:
        (N, H, W) long classes, 255 where rejected or without a label.
    """
    confidence, labels = probabilities.max(dim=1)
    sure = (confidence > 0) & (confidence >= threshold)
    return labels.where(sure, _IGNORE)
