# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How far the predictions of one network are from those of another."""

import torch
from torch import Tensor, nn

from .averaging import mean_of_valid, valid_at
from .rectification import divergence_map


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
