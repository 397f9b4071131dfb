# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""From logits to labels and how sure they are."""

from typing import Literal

import torch
import torch.nn.functional as F
from mmseg.models.utils import resize
from torch import Tensor

from mmuda.datasets.label_maps import IGNORE_ID
from mmuda.models.losses import normalised_entropy

Score = Literal['entropy', 'confidence']
Order = Literal['softmax_first', 'upsample_first']


def probabilities(
    logits: Tensor, size: tuple[int, int], order: Order, align_corners: bool
) -> Tensor:
    """Class probabilities at a given size.

    Args:
        logits: (N, C, h, w).
        size: Height H and width W in pixels.
        order: ``softmax_first`` takes the softmax at the resolution of the
            logits and upsamples probabilities, as ESL's published labels
            were made; ``upsample_first`` upsamples logits, as in testing.
        align_corners: Of the bilinear interpolation.

    Returns:
        (N, C, H, W), summing to 1 over the classes.
    """
    if order == 'softmax_first':
        logits = F.softmax(logits.float(), dim=1)
    upsampled = resize(
        logits.float(),
        size=size,
        mode='bilinear',
        align_corners=align_corners,
        warning=False,
    )
    return (
        upsampled if order == 'softmax_first' else F.softmax(upsampled, dim=1)
    )


def label_and_score(
    probability: Tensor, score: Score, limit: int = 2**26
) -> tuple[Tensor, Tensor]:
    """The most probable class of each pixel, and how sure it is.

    Large images are looked at in horizontal strips, so that little memory is
    taken beside the probabilities. Labels are those of the whole image,
    entropies may differ from it by rounding.

    Args:
        probability: (N, C, H, W).
        score: ``entropy`` (normalised, low is sure) or ``confidence`` (the
            largest probability, high is sure).
        limit: Probabilities of a strip at most, but at least one row.

    Returns:
        Labels (N, H, W) uint8, 255 where a probability is not a number, and
        scores (N, H, W) float in [0, 1].
    """
    rows = max(1, limit // probability[:, :, 0].numel())
    strips = probability.split(rows, dim=2)
    parts = [_label_and_score(strip, score) for strip in strips]
    labels, scores = zip(*parts, strict=True)
    return torch.cat(labels, dim=1), torch.cat(scores, dim=1)


def _label_and_score(
    probability: Tensor, score: Score
) -> tuple[Tensor, Tensor]:
    confidence, label = probability.max(dim=1)
    scores = (
        normalised_entropy(probability) if score == 'entropy' else confidence
    )
    # A sum with NaN or infinity in it is no finite number either.
    valid = torch.isfinite(probability.sum(dim=1))
    label = torch.where(valid, label, IGNORE_ID).to(torch.uint8)
    return label, torch.where(valid, scores, 0).clamp(0, 1)


def quantise(scores: Tensor, bins: int) -> Tensor:
    """Number of the bin of each score.

    Args:
        scores: Any shape, in [0, 1].
        bins: Number of bins of equal width.

    Returns:
        int32 of the same shape in [0, bins - 1].
    """
    return (scores * bins).to(torch.int32).clamp(0, bins - 1)
