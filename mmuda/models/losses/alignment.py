# Copyright (c) mmuda authors.
"""What brings target predictions nearer to source ones, as in ADVENT.

Vu et al., `ADVENT <https://arxiv.org/abs/1811.12833>`_, CVPR 2019: entropy,
class ratios, and the loss of discriminators and of what has to pass them.
Functions of predictions take raw logits of shape (N, C, H, W). They work on
log-probabilities in at least single precision, so that they stay finite for
logits of any magnitude and under automatic mixed precision.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .averaging import mean_of_valid, of_all_processes, valid_at


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax over the classes, in float32 or better.

    Args:
        logits: (N, C, H, W), any floating type.

    Returns:
        (N, C, H, W) natural logarithms of the class probabilities.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    return logits.to(wide).log_softmax(dim=1)


def self_information(logits: Tensor) -> Tensor:
    r"""Weighted self-information map, the input of ADVENT's discriminator.

    .. math:: I_c = -p_c \log p_c / \log C

    ADVENT, section 3.2. Its sum over the classes is the normalised entropy.

    Args:
        logits: (N, C, H, W) class scores.

    Returns:
        (N, C, H, W), each value in [0, 1 / (e ln C)].
    """
    log_p = log_probabilities(logits)
    return log_p.exp() * log_p * (-1 / math.log(logits.shape[1]))


def entropy_map(logits: Tensor) -> Tensor:
    """Normalised Shannon entropy of each pixel (ADVENT, equation 2).

    Args:
        logits: (N, C, H, W) class scores.

    Returns:
        (N, H, W), 0 for a certain and 1 for a uniform prediction.
    """
    return self_information(logits).sum(dim=1)


def normalised_entropy(probability: Tensor) -> Tensor:
    """Entropy over the classes divided by its largest value, ln C.

    Args:
        probability: (N, C, H, W); 0 ln 0 counts as 0.

    Returns:
        (N, H, W) in [0, 1]; ESL, section 3.
    """
    wide = torch.promote_types(probability.dtype, torch.float32)
    information = torch.special.entr(probability.to(wide)).sum(dim=1)
    return information / math.log(probability.shape[1])


def entropy_loss(
    logits: Tensor, top_fraction: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """Mean normalised entropy (MinEnt; ADVENT, equation 3).

    Args:
        logits: (N, C, H, W) class scores.
        top_fraction: Part of each image's pixels, in (0, 1], that counts:
            those of highest entropy. ADVENT's variant "ER" (entropy ranges)
            takes 0.3.
        valid: (N, H, W) bool, False on padding, which does not count; None
            if there is none.

    Returns:
        Scalar in [0, 1].
    """
    entropy = entropy_map(logits)
    if top_fraction >= 1:
        return mean_of_valid(entropy, valid)
    if valid is None:
        pixels = entropy.flatten(1)
        count = max(1, round(top_fraction * pixels.shape[1]))
        return mean_of_valid(pixels.topk(count, dim=1, sorted=False).values)
    parts = []
    for pixels, counts in zip(entropy, valid, strict=True):
        image = pixels[counts]
        count = max(1, round(top_fraction * len(image)))
        parts.append(image.topk(count, sorted=False).values)
    return mean_of_valid(torch.cat(parts))


def entropy_losses(
    logits: Mapping[str, Tensor],
    weights: Mapping[str, float],
    top_fraction: float = 1.0,
    valid: Tensor | None = None,
) -> dict[str, Tensor]:
    """Weighted entropies of several heads.

    Args:
        logits: (N, C, H, W) at image size by head.
        weights: Weight of the entropy by head.
        top_fraction: As of :func:`entropy_loss`.
        valid: As of :func:`entropy_loss`.

    Returns:
        Losses named ``<head>.loss_entropy``.
    """
    return {
        f'{head}.loss_entropy': weight
        * entropy_loss(logits[head], top_fraction, valid)
        for head, weight in weights.items()
    }


def class_ratio_prior_loss(
    logits: Tensor,
    prior: Tensor,
    relaxation: float = 0.5,
    valid: Tensor | None = None,
) -> Tensor:
    r"""One-sided penalty on classes that vanish (ADVENT, equation 7).

    .. math:: \sum_c \max(0, \mu\, p_s^c - \bar p_t^c)

    where :math:`\bar p_t^c` is the mean probability of class c in one target
    image. It is averaged over the images.

    Args:
        logits: (N, C, H, W) class scores on target images.
        prior: (C,) pixel frequencies of the classes in the source labels.
        relaxation: :math:`\mu` in [0, 1].
        valid: (N, H, W) bool, False on padding, which does not count; None
            if there is none.

    Returns:
        Scalar in [0, relaxation].
    """
    probabilities = log_probabilities(logits).exp()
    if valid is None:
        ratio = probabilities.mean(dim=(2, 3))
    else:
        counted = probabilities.where(valid[:, None], 0).sum(dim=(2, 3))
        ratio = counted / valid.sum(dim=(1, 2))[:, None]
    return (relaxation * prior.to(ratio) - ratio).relu().sum(dim=1).mean()


SOURCE_LABEL = 0.0
TARGET_LABEL = 1.0
Gan = Literal['vanilla', 'least_squares']


def domain_loss(
    decision: Tensor,
    label: float,
    kind: Gan = 'vanilla',
    valid: Tensor | None = None,
) -> Tensor:
    """Distance of a discriminator's decision from one domain label.

    Args:
        decision: (N, 1, h, w) raw output of the discriminator.
        label: 0 for source, 1 for target. ADVENT's text has them the other
            way round; the problem is symmetric.
        kind: ``vanilla`` is the binary cross entropy with logits of ADVENT,
            ``least_squares`` the squared distance of LSGAN.
        valid: (N, H, W) bool at the size of the images, False on padding;
            decisions about padding don't count. None if there is none.

    Returns:
        Scalar, averaged over the map, in float32 or better.
    """
    decision = decision.to(torch.promote_types(decision.dtype, torch.float32))
    wanted = torch.full_like(decision, label)
    distance: Callable[..., Tensor] = F.mse_loss
    if kind == 'vanilla':
        distance = F.binary_cross_entropy_with_logits
    if valid is None:
        return of_all_processes(distance(decision, wanted), decision.numel())
    values = distance(decision, wanted, reduction='none').squeeze(1)
    return mean_of_valid(values, valid_at(valid, values.shape[1:]))
