# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Direct entropy minimisation on target images."""

from collections.abc import Iterator

from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .adversarial import direct_losses
from .base import BaseUDA
from .domains import (
    Losses,
    build_prior,
    check_heads,
    target_domains,
)


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
        class_ratio_prior: Config of a ``ClassRatioPrior`` ("CP"), applied to
            the main head; None leaves it out.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, or a value lies outside its range.
    """

    allows_padding = True

    def __init__(
        self,
        segmentor: dict,
        entropy_weights: dict[str, float],
        top_fraction: float = 1.0,
        class_ratio_prior: dict | None = None,
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
        self.class_ratio_prior = build_prior(
            class_ratio_prior, self.num_classes
        )

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Equation 4 of ADVENT, one domain after the other."""
        targets = target_domains(inputs)
        losses, _ = self.loss_on_source(inputs, data_samples)
        yield 'segmentor', losses
        del losses
        if self.is_warming_up:
            return
        for target in targets:
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
        heads = list(self.entropy_weights)
        if self.class_ratio_prior is not None:
            heads.append('decode')
        losses = direct_losses(
            self.upsample_heads(logits, heads, images),
            self.entropy_weights,
            self.top_fraction,
            self.class_ratio_prior,
            self.valid.get(target),
        )
        losses |= self.touch_unused(logits, heads)
        return add_prefix(losses, target)
