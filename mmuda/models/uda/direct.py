# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Losses that act on target predictions directly."""

from torch import Tensor, nn

from mmuda.models.losses import entropy_loss

from .domains import Logits, Losses


def direct_losses(
    upsampled: Logits,
    entropy_weights: dict[str, float],
    top_fraction: float = 1.0,
    prior: nn.Module | None = None,
    valid: Tensor | None = None,
) -> Losses:
    """Losses on target predictions that need neither labels nor discriminator.

    Args:
        upsampled: Logits (N, C, H, W) at image size by head.
        entropy_weights: Weight of the entropy by head.
        top_fraction: Part of the pixels that counts, those of highest entropy.
        prior: A ``ClassRatioPrior`` for the main head, or None.
        valid: (N, H, W) bool, False on padding; None if there is none.

    Returns:
        Weighted losses named ``<head>.loss_entropy`` and
        ``decode.loss_class_ratio``.
    """
    losses = {
        f'{head}.loss_entropy': weight
        * entropy_loss(upsampled[head], top_fraction, valid)
        for head, weight in entropy_weights.items()
    }
    if prior is not None:
        losses['decode.loss_class_ratio'] = prior(upsampled['decode'], valid)
    return losses
