# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Losses on target predictions: adversarial ones and direct ones."""

from collections.abc import Iterable, Mapping
from typing import get_args

from torch import Tensor, nn

from mmuda.models.losses import (
    Gan,
    domain_loss,
    entropy_loss,
    self_information,
)
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.modules import frozen

from .domains import Logits, Losses, check_discriminator


def check_gan(gan: str) -> Gan:
    """Refuse an unknown form of the adversarial loss.

    Raises:
        ConfigError: It is unknown.
    """
    if gan not in get_args(Gan):
        raise ConfigError(
            f"model.gan must be one of {get_args(Gan)}, not '{gan}'"
        )
    return gan


def add_discriminators(
    model: nn.Module, config: dict, names: Iterable[str]
) -> None:
    """Give a method discriminators, as children ``discriminator_<name>``.

    Args:
        model: A method with ``adversarial_weights``, whose keys are the
            levels of each discriminator.
        config: Config of a ``MultiLevelDiscriminator``.
        names: Names of the discriminators.

    Raises:
        ConfigError: The discriminator does not fit the method.
    """
    for name in names:
        built = MODELS.build(config)
        check_discriminator(
            built, model.adversarial_weights, model.num_classes
        )
        model.add_module(f'discriminator_{name}', built)


def information_maps(
    upsampled: Logits, heads: Iterable[str], valid: Tensor | None = None
) -> Logits:
    """What discriminators judge: weighted self-information by head.

    Args:
        upsampled: Logits (N, C, H, W) at image size by head.
        heads: Heads to judge.
        valid: (N, H, W) bool, False on padding, where maps are 0, as they are
            around an image; None if there is none.
    """
    maps = {head: self_information(upsampled[head]) for head in heads}
    if valid is None:
        return maps
    return {k: values.where(valid[:, None], 0) for k, values in maps.items()}


def fooling_losses(
    discriminator: nn.Module,
    maps: Logits,
    weights: Mapping[str, float],
    label: float,
    gan: Gan,
    valid: Tensor | None = None,
) -> Losses:
    """How far maps are from looking as if they had a domain's label.

    The discriminator is frozen: its gradients come from its own loss only.

    Args:
        discriminator: A ``MultiLevelDiscriminator``, with or without a
            distributed wrapper.
        maps: Self-information maps by head, with their graph.
        weights: Weight of each head's loss.
        label: The domain to look like.
        gan: Form of the loss.
        valid: (N, H, W) bool, False on padding; None if there is none.

    Returns:
        Weighted losses named ``<head>.loss_adversarial``.
    """
    discriminator = unwrap(discriminator)
    with frozen(discriminator):
        decisions = discriminator({head: maps[head] for head in weights})
    return {
        f'{head}.loss_adversarial': weight
        * domain_loss(decisions[head], label, gan, valid)
        for head, weight in weights.items()
    }


def discriminator_losses(
    discriminator: nn.Module,
    maps: Logits,
    label: float,
    gan: Gan,
    factor: float = 0.5,
    valid: Tensor | None = None,
) -> Losses:
    """How far a discriminator is from telling a domain by its maps.

    Args:
        discriminator: A ``MultiLevelDiscriminator``.
        maps: Self-information maps by head, without a graph.
        label: The domain's label.
        gan: Form of the loss.
        factor: Weight; half for each of two domains.
        valid: (N, H, W) bool, False on padding; None if there is none.

    Returns:
        Losses by head.
    """
    return {
        head: factor * domain_loss(decision, label, gan, valid)
        for head, decision in discriminator(maps).items()
    }


def judgement(
    player: str,
    discriminator: nn.Module,
    maps: Logits,
    label: float,
    domain: str,
    gan: Gan,
    factor: float = 0.5,
    valid: Tensor | None = None,
) -> tuple[str, Losses]:
    """A discriminator's loss on a domain, as a training step yields it.

    Args:
        player: Name of the discriminator.
        discriminator: The ``MultiLevelDiscriminator`` itself.
        maps: Self-information maps by head, without a graph.
        label: The domain's label.
        domain: Its name, for the names of the losses.
        gan: Form of the loss.
        factor: Weight.
        valid: (N, H, W) bool, False on padding; None if there is none.
    """
    losses = discriminator_losses(
        discriminator, maps, label, gan, factor, valid
    )
    return player, {
        f'{player}.{head}.loss_{domain}': loss for head, loss in losses.items()
    }


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
