# Copyright (c) mmuda authors.
"""From soft pseudo-labels to labels of those pixels that are sure enough."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mmuda.utils.names import IGNORE_ID

from .alignment import normalised_entropy

Gather = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def class_entropy_mask(
    probabilities: Tensor,
    quantile: float = 0.5,
    floor: float = 0.25,
    gather: Gather | None = None,
) -> Tensor:
    """Label the surer part of each class's pixels (MCL, TCSVT 2024).

    A pixel keeps its label if its entropy is below the threshold of the
    class; see :func:`class_entropy_thresholds`.

    Args:
        probabilities: (N, C, H, W); each pixel sums to 1, or is all zeros if
            it has no label.
        quantile: Part of a class's pixels, in [0, 1].
        floor: Normalised entropy in [0, 1] below which a pixel is sure
            whatever its class.
        gather: Turns the entropies and labels of this batch into those of
            all pixels that thresholds are taken from, such as the batches of
            all processes. None takes those of this batch.

    Returns:
        (N, H, W) long classes, 255 where rejected or without a label.
    """
    labels = confidence_mask(probabilities)
    entropy = normalised_entropy(probabilities)
    ranked = (entropy, labels) if gather is None else gather(entropy, labels)
    entropies, classes = ranked
    thresholds = class_entropy_thresholds(
        entropies, classes, probabilities.shape[1], quantile, floor
    )
    return below_thresholds(entropy, labels, thresholds)


def class_entropy_thresholds(
    entropy: Tensor,
    labels: Tensor,
    num_classes: int,
    quantile: float = 0.5,
    floor: float = 0.25,
) -> Tensor:
    """Entropies from which on pixels of a class are rejected.

    Of the n pixels that a class wins, sorted by entropy, the one at position
    round(quantile * n), counted from 0, is the threshold of the class, but at
    least ``floor``. A half is rounded to the even number, as Python, NumPy
    and PyTorch alike do; past the end the last pixel counts.

    Args:
        entropy: Normalised entropies of pixels, in any shape.
        labels: Long classes in the same shape; 255 has no rank.
        num_classes: Number of classes, C.
        quantile: Part of a class's pixels, in [0, 1].
        floor: Smallest threshold.

    Returns:
        (C,) thresholds, infinite for a class that wins no pixel.
    """
    classes = torch.arange(num_classes, device=labels.device)
    members = labels.flatten() == classes[:, None]
    counts = members.sum(dim=1)
    positions = (quantile * counts.double()).round().long()
    positions = positions.minimum(counts - 1).clamp(min=0)
    # Sorted in one go, without waiting for the device class by class.
    ranked = entropy.flatten().where(members, math.inf).sort(dim=1).values
    return ranked.gather(1, positions[:, None]).clamp(min=floor).squeeze(1)


def below_thresholds(
    entropy: Tensor, labels: Tensor, thresholds: Tensor
) -> Tensor:
    """Reject the pixels that do not stay below the threshold of their class.

    Args:
        entropy: (N, H, W) normalised entropies.
        labels: (N, H, W) long classes, 255 for none.
        thresholds: (C,) by class.

    Returns:
        (N, H, W) long classes, 255 where rejected or without a label.
    """
    # 255 finds the last class's threshold, and is 255 whatever it is.
    places = labels.clamp(max=len(thresholds) - 1)
    return labels.where(entropy < thresholds[places], IGNORE_ID)


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
    return labels.where(sure, IGNORE_ID)
