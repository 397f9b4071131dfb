# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How far the predictions of one network are from those of another."""

from torch import Tensor

from .entropy import log_probabilities


def kl_divergence(teacher: Tensor, student: Tensor) -> Tensor:
    r"""Mean Kullback-Leibler divergence of two predictions.

    .. math:: \frac{1}{NHW} \sum \sum_c p^t_c (\log p^t_c - \log p^s_c)

    Args:
        teacher: (N, C, H, W) logits of the distribution to learn from; detach
            them if they shall not learn.
        student: (N, C, H, W) logits of the distribution that learns.

    Returns:
        Scalar of at least 0, averaged over pixels and summed over classes.
        MTAF's code averages over classes, too: there it is a C-th of this.
    """
    teacher, student = log_probabilities(teacher), log_probabilities(student)
    divergence = teacher.exp() * (teacher - student)
    return divergence.sum(dim=1).mean()
