# Copyright (c) mmuda authors.
"""Cross entropy of those pixels alone that a network finds hardest."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID

from .alignment import log_probabilities
from .averaging import averages_over_processes, gather_padded


def hardest(losses: Tensor, portion: float) -> Tensor:
    """Largest losses, in no certain order.

    Args:
        losses: Of any shape.
        portion: Part of them, in (0, 1].

    Returns:
        (max(1, floor(portion * n)),) values.
    """
    count = max(1, int(portion * losses.numel()))
    return losses.flatten().topk(count, sorted=False).values


def mean_of_hardest(losses: Tensor, portion: float) -> Tensor:
    """Mean of the largest losses, of all processes together.

    Args:
        losses: Of this process, in any shape.
        portion: Part of them, in (0, 1].

    Returns:
        Scalar. Its average over the processes, whose losses are ranked
        together, is the mean; pixels as hard as the last that counts share
        its place.
    """
    if not averages_over_processes():
        return hardest(losses, portion).mean()
    total = torch.tensor(losses.numel())
    all_reduce(total)
    count = max(1, int(portion * int(total)))
    (ranked,) = gather_padded(losses.detach(), fill=-math.inf)
    last = ranked.topk(count).values[-1]
    # So that a NaN counts, wherever it ranks.
    harder = ~(losses <= last)
    places = count - (~(ranked <= last)).sum()
    shared = places / (ranked == last).sum().clamp(min=1)
    kept = losses.where(harder, 0).sum()
    kept = kept + shared * losses.where(losses == last, 0).sum()
    return get_world_size() * kept / count


@MODELS.register_module()
class HardPixelCrossEntropyLoss(nn.Module):
    """Mean cross entropy of the hardest pixels of a batch.

    Hardness is the loss itself, and the portion is one of all pixels of the
    batch, whichever image and process they are in. Ignored pixels have a loss
    of 0 and count among all: if more than 1 - portion of the pixels are
    ignored, zeros lower the mean. Both as in the "hard pixel mining" of
    detectron2's DeepLab, which Gómez et al. (Sensors 2023) train with.

    Source: Yang et al., DeeperLab: Single-Shot Image Parser, 2019, section
    on the loss of semantic segmentation (bootstrapped cross entropy).

    Args:
        portion: Part of the pixels that count, in (0, 1].
        class_weight: Factor of each class's loss, before pixels are chosen.
        loss_weight: Weight of the loss.
        reduction: Of the hardest pixels; ``none`` returns the losses of all,
            and ``sum`` ranks those of this process alone.
        loss_name: Name in the log; must begin with ``loss_``.

    Raises:
        ConfigError: The portion is out of its range.
    """

    class_weight: Tensor | None
    # Factors of pixels and of classes are the same to it.
    weighs_pixels = True

    def __init__(
        self,
        portion: float = 0.2,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        reduction: Literal['mean', 'sum', 'none'] = 'mean',
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__()
        if not 0 < portion <= 1:
            raise ConfigError(
                'HardPixelCrossEntropyLoss.portion must lie in (0, 1], not '
                f'{portion!r}'
            )
        self.portion = portion
        self.loss_weight = loss_weight
        self.reduction = reduction
        self._loss_name = loss_name
        weights = None if class_weight is None else torch.tensor(class_weight)
        self.register_buffer('class_weight', weights, persistent=False)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: Literal['mean', 'sum', 'none'] | None = None,
        ignore_index: int = IGNORE_ID,
    ) -> Tensor:
        """Compute the loss.

        Args:
            cls_score: (N, C, H, W) logits.
            label: (N, H, W) train ids.
            weight: (N, H, W) factors of the pixels' losses, before pixels
                are chosen.
            avg_factor: What a mean divides by instead of the number of
                pixels that count.
            reduction_override: Instead of the module's own.
            ignore_index: Label of pixels without one.

        Returns:
            Scalar, or (N, H, W) for ``none``, in float32 or better.
        """
        losses = self.pixel_losses(cls_score, label, ignore_index)
        if weight is not None:
            losses = losses * weight
        losses = self.loss_weight * losses
        reduction = reduction_override or self.reduction
        if reduction == 'none':
            return losses
        if reduction == 'mean' and avg_factor is None:
            return mean_of_hardest(losses, self.portion)
        total = hardest(losses, self.portion).sum()
        if reduction == 'sum' or avg_factor is None:
            return total
        return total / avg_factor

    def pixel_losses(
        self, logits: Tensor, label: Tensor, ignore_index: int = IGNORE_ID
    ) -> Tensor:
        """Cross entropy of each pixel, weighted by class.

        Args:
            logits: (N, C, H, W).
            label: (N, H, W) train ids.
            ignore_index: Label of pixels whose loss is 0.

        Returns:
            (N, H, W) in float32 or better.
        """
        log_p = log_probabilities(logits)
        weights = self.class_weight
        return F.nll_loss(
            log_p,
            label,
            weight=None if weights is None else weights.to(log_p),
            ignore_index=ignore_index,
            reduction='none',
        )

    @property
    def loss_name(self) -> str:
        """Name of the loss in the log."""
        return self._loss_name
