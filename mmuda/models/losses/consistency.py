# Copyright (c) mmuda authors.
"""How far predictions are from each other, and what labels weigh then."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmuda.utils.names import IGNORE_ID

from .alignment import log_probabilities
from .averaging import mean_of_valid, valid_at


def kl_divergence(
    teacher: Tensor, student: Tensor, valid: Tensor | None = None
) -> Tensor:
    r"""Mean Kullback-Leibler divergence of two predictions.

    .. math:: \frac{1}{NHW} \sum \sum_c p^t_c (\log p^t_c - \log p^s_c)

    Args:
        teacher: (N, C, H, W) logits of the distribution to learn from; detach
            them if they shall not learn.
        student: (N, C, H, W) logits of the distribution that learns.
        valid: (N, ·, ·) bool in any resolution, False on padding; None if
            there is none.

    Returns:
        Scalar of at least 0, averaged over pixels and summed over classes.
        MTAF's code averages over classes, too: there it is a C-th of this.
    """
    divergences = divergence_map(teacher, student)
    return mean_of_valid(divergences, valid_at(valid, student.shape[2:]))


def weight_distance(
    network: nn.Module, other: nn.Module, norm: int = 2
) -> Tensor:
    r"""How far the weights of two networks are from each other (CCL).

    .. math:: \frac{1}{2} \sum (\theta - \theta')^2 \quad \text{or} \quad
        \sum |\theta - \theta'|

    Args:
        network: Its trained parameters get gradients.
        other: Network of the same parts; its weights are constants.
        norm: 2 or 1.

    Returns:
        Scalar of at least 0.
    """
    total = torch.zeros(())
    for own, towards in zip(
        network.parameters(), other.parameters(), strict=True
    ):
        if own.requires_grad:
            gap = own.float() - towards.detach().float()
            part = gap.square().sum() / 2 if norm == 2 else gap.abs().sum()
            total = total.to(part.device) + part
    return total


def divergence_map(teacher: Tensor, student: Tensor) -> Tensor:
    r"""Kullback-Leibler divergence of two predictions at each pixel.

    .. math:: \sum_c p^t_c (\log p^t_c - \log p^s_c)

    Args:
        teacher: (N, C, H, W) logits of the distribution to compare with.
        student: (N, C, H, W) logits of the other distribution.

    Returns:
        (N, H, W) of at least 0 up to rounding, natural logarithm, in float32
        or better.
    """
    teacher, student = log_probabilities(teacher), log_probabilities(student)
    return (teacher.exp() * (teacher - student)).sum(dim=1)


def rectification_weights(
    divergences: Sequence[Tensor], gamma: float = 1.0
) -> Tensor:
    r"""Weights of pseudo-labels by the agreement of a head with others.

    .. math:: w = \frac{1}{J} \sum_j e^{-\gamma D_j}

    Args:
        divergences: J maps (N, H, W) of :func:`divergence_map`, one for each
            other head.
        gamma: How fast the weight falls, at least 0.

    Returns:
        (N, H, W) without gradient, 1 where all heads predict the same, near
        0 where none agrees.

    Raises:
        ValueError: There is no divergence.
    """
    if not divergences:
        raise ValueError('rectification_weights: give at least one divergence')
    stacked = torch.stack([divergence.detach() for divergence in divergences])
    return (-gamma * stacked).exp().mean(dim=0)


def weighted_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None
) -> Tensor:
    r"""Cross entropy in which each pixel has a weight.

    .. math:: \sum w m \, \mathrm{CE} / \sum m

    where m is 1 at labelled pixels. The weights don't take part in the
    denominator: pixels on which heads disagree make the loss smaller.

    Args:
        logits: (N, C, H, W) class scores.
        labels: (N, H, W) long, 255 where a pixel doesn't count.
        weights: (N, H, W), or None for 1 everywhere.

    Returns:
        Scalar in float32 or better; 0, still with a gradient, if nothing is
        labelled.
    """
    losses = F.nll_loss(
        log_probabilities(logits),
        labels,
        ignore_index=IGNORE_ID,
        reduction='none',
    )
    if weights is not None:
        losses = losses * weights
    return masked_mean(losses, labels)


def masked_mean(values: Tensor, labels: Tensor) -> Tensor:
    """Mean over labelled pixels.

    Args:
        values: (N, H, W).
        labels: (N, H, W), 255 where a pixel doesn't count.

    Returns:
        Scalar; 0, still with a gradient, if nothing is labelled.

    Raises:
        ValueError: The shapes differ. Broadcast, (N, 1, H, W) would pair each
            image with every other one, and count them N times.
    """
    if values.shape != labels.shape:
        raise ValueError(
            f'masked_mean: values are {tuple(values.shape)}, labels '
            f'{tuple(labels.shape)}; give both as (N, H, W)'
        )
    return mean_of_valid(values, labels != IGNORE_ID)
