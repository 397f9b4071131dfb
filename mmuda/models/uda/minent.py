# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Direct entropy minimisation on target images."""

from collections.abc import Iterator, Sequence

import torch
from mmseg.utils import SampleList
from torch import Tensor

from mmuda.models.losses import class_ratio_prior_loss, entropy_loss
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .base import BaseUDA
from .domains import Losses, check_heads, target_domains


@MODELS.register_module()
class MinEnt(BaseUDA):
    """MinEnt of `ADVENT <https://arxiv.org/abs/1811.12833>`_.

    The segmentation loss on the source plus the mean entropy of the
    predictions on the target (equation 4).

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        entropy_weights: Weight of the entropy loss by head.
        top_fraction: Part of each target image's pixels, those of highest
            entropy, that counts; 0.3 in the variant "ER", 1 for all.
        class_ratio_prior: Frequency of each class in the source labels; None
            leaves the class-ratio prior "CP" out.
        class_ratio_weight: Weight of the class-ratio prior (main head).
        class_ratio_relaxation: Its factor mu in [0, 1] (equation 7).
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, or a value lies outside its range.
    """

    def __init__(
        self,
        segmentor: dict,
        entropy_weights: dict[str, float],
        top_fraction: float = 1.0,
        class_ratio_prior: Sequence[float] | None = None,
        class_ratio_weight: float = 1.0,
        class_ratio_relaxation: float = 0.5,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        check_heads(self.segmentor, 'entropy_weights', entropy_weights)
        if not 0 < top_fraction <= 1:
            raise ConfigError(
                f'model.top_fraction must lie in (0, 1], not {top_fraction}'
            )
        self.entropy_weights = dict(entropy_weights)
        self.top_fraction = top_fraction
        self.class_ratio_weight = class_ratio_weight
        self.class_ratio_relaxation = class_ratio_relaxation
        prior = check_prior(class_ratio_prior, self.num_classes)
        self.register_buffer('class_ratio_prior', prior, persistent=False)

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Equation 4 of ADVENT, one domain after the other."""
        losses, _ = self.loss_on_source(inputs, data_samples)
        yield 'segmentor', losses
        del losses
        if self.is_warming_up:
            return
        for target in target_domains(inputs):
            yield 'segmentor', self.loss_on_target(inputs[target], target)

    def loss_on_target(self, images: Tensor, target: str) -> Losses:
        """Entropy (and class-ratio) losses on one target domain.

        Args:
            images: (N, 3, H, W) normalised target images.
            target: Name of the domain, used in the names of the losses.

        Returns:
            Weighted losses by name.
        """
        logits = self.segmentor(images)
        losses = self.touch_unused(logits, list(self.entropy_weights))
        for head, weight in self.entropy_weights.items():
            losses[f'{target}.{head}.loss_entropy'] = weight * entropy_loss(
                self.upsample(logits[head], images), self.top_fraction
            )
        if self.class_ratio_prior is not None:
            losses[f'{target}.decode.loss_class_ratio'] = (
                self.class_ratio_weight
                * class_ratio_prior_loss(
                    self.upsample(logits['decode'], images),
                    self.class_ratio_prior,
                    self.class_ratio_relaxation,
                )
            )
        return losses


def check_prior(
    prior: Sequence[float] | None, num_classes: int
) -> Tensor | None:
    """Class frequencies as a tensor that sums to one.

    Args:
        prior: Frequencies (or counts) of the classes, or None.
        num_classes: Classes of the segmentor.

    Raises:
        ConfigError: Another number of classes, or a negative value.
    """
    if prior is None:
        return None
    values = torch.tensor(list(prior), dtype=torch.float64)
    if len(values) != num_classes or (values < 0).any() or not values.sum():
        raise ConfigError(
            f'model.class_ratio_prior needs {num_classes} values >= 0, one '
            f'for each class; got {list(prior)}'
        )
    return (values / values.sum()).float()
