# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Adversarial entropy minimisation."""

from collections.abc import Iterator

from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.losses import SOURCE_LABEL, TARGET_LABEL, Gan
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS

from .adversarial import (
    check_gan,
    direct_losses,
    discriminator_losses,
    fooling_losses,
    information_maps,
)
from .base import BaseUDA
from .domains import (
    SOURCE,
    Logits,
    Losses,
    build_prior,
    check_discriminator,
    check_heads,
    check_image_sizes,
    detach,
    target_domains,
)
from .pseudo_label import loss_on_pseudo_labels


@MODELS.register_module()
class AdvEnt(BaseUDA):
    """AdvEnt of `ADVENT <https://arxiv.org/abs/1811.12833>`_.

    Discriminators tell source from target by the weighted self-information
    maps of the predictions; the segmentor learns to make target maps look
    like source ones (equations 5 and 6). Several targets are judged by one
    discriminator as if they were one: each counts 1/T of the target's half.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        discriminator: Config of a ``MultiLevelDiscriminator``. Its levels
            must be the heads of ``adversarial_weights``.
        adversarial_weights: Weight of the fooling loss by head.
        entropy_weights: Weight of an additional entropy loss on the target by
            head (MinEnt); none by default.
        class_ratio_prior: Config of a ``ClassRatioPrior`` ("CP"), applied to
            the main head; None leaves it out.
        pseudo_label_weight: Weight of the segmentation loss on target samples
            that carry ``pseudo_sem_seg`` (ESL); 0 leaves it out.
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, the discriminator does not fit, or
            ``gan`` is unknown.
    """

    allows_padding = True

    def __init__(
        self,
        segmentor: dict,
        discriminator: dict,
        adversarial_weights: dict[str, float],
        entropy_weights: dict[str, float] | None = None,
        class_ratio_prior: dict | None = None,
        pseudo_label_weight: float = 0.0,
        gan: Gan = 'vanilla',
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.adversarial_weights = dict(adversarial_weights)
        self.entropy_weights = dict(entropy_weights or {})
        for name in ('adversarial_weights', 'entropy_weights'):
            check_heads(self.segmentor, name, getattr(self, name))
        self.discriminator = MODELS.build(discriminator)
        check_discriminator(
            self.discriminator, self.adversarial_weights, self.num_classes
        )
        self.class_ratio_prior = build_prior(
            class_ratio_prior, self.num_classes
        )
        self.pseudo_label_weight = pseudo_label_weight
        self.gan = check_gan(gan)

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """First the segmentor on each domain, then the discriminator."""
        targets = target_domains(inputs)
        check_image_sizes(unwrap(self.discriminator), inputs)
        losses, source_logits = self.loss_on_source(inputs, data_samples)
        yield 'segmentor', losses
        del losses
        if self.is_warming_up:
            return
        target_logits = {}
        for target in targets:
            losses, target_logits[target] = self.loss_on_target(
                inputs[target], data_samples[target], target
            )
            yield 'segmentor', losses
            del losses
        yield (
            'discriminator',
            self.loss_of_discriminator(
                source_logits, inputs[SOURCE], SOURCE_LABEL, SOURCE
            ),
        )
        for target, logits in target_logits.items():
            yield (
                'discriminator',
                self.loss_of_discriminator(
                    logits,
                    inputs[target],
                    TARGET_LABEL,
                    target,
                    # All targets together weigh as much as the source.
                    0.5 / len(target_logits),
                ),
            )

    def loss_on_target(
        self, images: Tensor, samples: SampleList, target: str
    ) -> tuple[Losses, Logits]:
        """Losses of the segmentor on one target domain (equation 6).

        Args:
            images: (N, 3, H, W) normalised target images.
            samples: Their samples; used for pseudo-labels only.
            target: Name of the domain, used in the names of the losses.

        Returns:
            Weighted losses by name, and the detached logits by head.
        """
        logits = self.segmentor(images)
        heads = [*self.adversarial_weights, *self.entropy_weights]
        if self.class_ratio_prior is not None:
            heads.append('decode')
        upsampled = self.upsample_heads(logits, heads, images)
        losses = self.fooling_losses(upsampled, target)
        losses |= direct_losses(
            upsampled,
            self.entropy_weights,
            prior=self.class_ratio_prior,
            valid=self.valid.get(target),
        )
        if self.pseudo_label_weight:
            losses |= loss_on_pseudo_labels(
                unwrap(self.segmentor),
                logits,
                samples,
                self.pseudo_label_weight,
            )
            heads = list(logits)
        losses |= self.touch_unused(logits, heads)
        return add_prefix(losses, target), detach(logits)

    def fooling_losses(self, upsampled: Logits, target: str) -> Losses:
        """How far the target maps are from looking like source maps.

        Args:
            upsampled: Target logits by head at image size.
            target: Name of the domain; here one discriminator judges all.

        Returns:
            Weighted losses named ``<head>.loss_adversarial``.
        """
        valid = self.valid.get(target)
        maps = information_maps(upsampled, self.adversarial_weights, valid)
        return fooling_losses(
            self.discriminator,
            maps,
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
            valid,
        )

    def loss_of_discriminator(
        self,
        logits: Logits,
        images: Tensor,
        label: float,
        domain: str,
        factor: float = 0.5,
    ) -> Losses:
        """The discriminator's loss on one domain (equation 5).

        Args:
            logits: Detached logits of one domain by head.
            images: Images of that domain; they give the size of the maps.
            label: The domain's label.
            domain: Its name, used in the names of the losses.
            factor: Weight: half for the source, half for all targets.

        Returns:
            Losses named ``discriminator.<head>.loss_<domain>``.
        """
        heads, valid = list(self.adversarial_weights), self.valid.get(domain)
        maps = information_maps(
            self.upsample_heads(logits, heads, images), heads, valid
        )
        losses = discriminator_losses(
            self.discriminator, maps, label, self.gan, factor, valid
        )
        return {
            f'discriminator.{head}.loss_{domain}': loss
            for head, loss in losses.items()
        }
