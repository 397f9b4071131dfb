# Copyright (c) mmuda authors.
"""Adversarial entropy minimisation, and what its family shares."""

from collections.abc import Iterable, Mapping

from mmengine.model import BaseModule
from torch import Tensor

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.losses import (
    SOURCE_LABEL,
    TARGET_LABEL,
    Gan,
    domain_loss,
    self_information,
)
from mmuda.models.method_checks import (
    check_choice,
    check_discriminator,
    check_heads,
)
from mmuda.models.players import Losses, Steps, frozen, unwrap
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.term import add_deprecated_term
from mmuda.registry import MODELS
from mmuda.utils.names import SOURCE

from .base import BaseUDA


@MODELS.register_module()
class AdvEnt(BaseUDA):
    r"""AdvEnt of `ADVENT <https://arxiv.org/abs/1811.12833>`_.

    Discriminators D tell source from target by the weighted self-information
    maps I of the predictions; the segmentor learns to make target maps look
    like source ones (equations 5 and 6):

    .. math:: \min_D \tfrac12 L(D(I_s), 0) + \tfrac12 L(D(I_t), 1), \quad
        \min_F L_{seg}(x_s, y_s) + \lambda L(D(I_t), 0)

    Several targets are judged by one discriminator as if they were one: each
    counts 1/T of the target's half.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        discriminator: Config of a ``MultiLevelDiscriminator``. Its levels
            must be the heads of ``adversarial_weights``.
        adversarial_weights: Weight :math:`\lambda` of the adversarial loss by
            head.
        entropy_weights: Deprecated, the weights of a term ``Entropy``.
        class_ratio_prior: Deprecated, a term ``ClassRatioPrior``.
        pseudo_label_weight: Deprecated, the weight of a term
            ``PseudoLabels``; 0 leaves it out.
        gan: Form L of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Attributes:
        deprecated_terms: Older keywords, by name: the type of the term that
            each adds, and the parameter that it gives ('' for all).

    Raises:
        ConfigError: A head is unknown, the discriminator does not fit, or
            ``gan`` is unknown.
    """

    allows_padding = True
    deprecated_terms = {
        'entropy_weights': ('Entropy', 'weights'),
        'class_ratio_prior': ('ClassRatioPrior', ''),
        'pseudo_label_weight': ('PseudoLabels', 'weight'),
    }

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
        check_heads(self.segmentor, 'adversarial_weights', adversarial_weights)
        self.gan = check_choice('gan', gan, Gan)
        self.discriminator = MODELS.build(discriminator)
        check_discriminator(
            self.discriminator, self.adversarial_weights, self.num_classes
        )
        if entropy_weights:
            entropy = dict(type='Entropy', weights=entropy_weights)
            add_deprecated_term(self, 'entropy_weights', entropy)
        if class_ratio_prior is not None:
            add_deprecated_term(self, 'class_ratio_prior', class_ratio_prior)
        if pseudo_label_weight:
            labels = dict(type='PseudoLabels', weight=pseudo_label_weight)
            add_deprecated_term(self, 'pseudo_label_weight', labels)

    def check_batch(self, batch: Batch) -> None:
        """As of :class:`BaseUDA`, and for images that are too small."""
        super().check_batch(batch)
        batch.require_size(unwrap(self.discriminator).min_side)

    def loss_on_target(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """Target maps ought to look like source maps (equation 6)."""
        maps = self_information_maps(
            full, self.adversarial_weights, target.valid
        )
        return adversarial_losses(
            self.discriminator,
            maps,
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
            target.valid,
        )

    def discriminator_steps(
        self, batch: Batch, seen: dict[str, Logits]
    ) -> Steps:
        """Tell source from target (equation 5)."""
        player, source = 'discriminator', batch.source
        maps = judged_maps(self, seen[SOURCE], source)
        yield discriminator_step(self, player, maps, source, SOURCE_LABEL)
        # All targets together weigh as much as the source.
        share = 0.5 / len(batch.targets)
        for name, target in batch.targets.items():
            maps = judged_maps(self, seen[name], target)
            yield discriminator_step(
                self, player, maps, target, TARGET_LABEL, share
            )


def self_information_maps(
    full: Logits, heads: Iterable[str], valid: Tensor | None = None
) -> Logits:
    """What discriminators judge: weighted self-information by head.

    Args:
        full: Logits (N, C, H, W) at image size by head.
        heads: Heads to judge.
        valid: (N, H, W) bool, False on padding, where maps are 0, as they are
            around an image; None if there is none.
    """
    maps = {head: self_information(full[head]) for head in heads}
    if valid is None:
        return maps
    return {k: values.where(valid[:, None], 0) for k, values in maps.items()}


def judged_maps(model: BaseUDA, logits: Logits, domain: DomainBatch) -> Logits:
    """Maps of a domain for what discriminators learn.

    Args:
        model: A method with ``adversarial_weights``.
        logits: (N, C, h, w) by level, without a graph.
        domain: The images, which give the size of the maps.

    Returns:
        (N, C, H, W) by level.
    """
    full = {
        level: model.upsample(logits[level], domain.images)
        for level in model.adversarial_weights
    }
    return self_information_maps(full, full, domain.valid)


def adversarial_losses(
    discriminator: BaseModule,
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
        # (N, C, H, W) -> (N, 1, h, w)
        decisions = discriminator({head: maps[head] for head in weights})
    return {
        f'{head}.loss_adversarial': weight
        * domain_loss(decisions[head], label, gan, valid)
        for head, weight in weights.items()
    }


def discriminator_step(
    model: BaseUDA,
    player: str,
    maps: Logits,
    domain: DomainBatch,
    label: float,
    share: float = 0.5,
) -> tuple[str, Losses]:
    """A discriminator's losses on a domain, as a training step yields them.

    Args:
        model: A method with ``gan`` and the discriminator.
        player: Name of the discriminator.
        maps: Self-information maps by level, without a graph.
        domain: The images that they are of.
        label: What the discriminator should say.
        share: Weight of the losses; half for each of two domains.

    Returns:
        The player, and losses named ``<player>.<level>.loss_<domain>``.
    """
    decisions = getattr(model, player)(maps)  # (N, C, H, W) -> (N, 1, h, w)
    return player, {
        f'{player}.{level}.loss_{domain.name}': share
        * domain_loss(decision, label, model.gan, domain.valid)
        for level, decision in decisions.items()
    }


def add_discriminators(
    model: BaseUDA, config: dict, names: Iterable[str]
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
