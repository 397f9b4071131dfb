# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Adversarial alignment of several targets with the source and each other."""

from collections.abc import Iterator, Sequence

from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.losses import SOURCE_LABEL, TARGET_LABEL, Gan
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS

from .adversarial import (
    add_discriminators,
    check_gan,
    fooling_losses,
    information_maps,
    judgement,
)
from .base import BaseUDA
from .domains import (
    SOURCE,
    Logits,
    Losses,
    check_heads,
    check_image_sizes,
    check_targets,
    detach,
    distinct_targets,
)

PAIR = 'targets'


@MODELS.register_module()
class MultiDis(BaseUDA):
    """Multi-Dis of `MTAF <https://arxiv.org/abs/2108.06962>`_.

    One discriminator for each target tells it from the source, and further
    ones tell the targets from each other: a single one for two targets, one
    for each target against the rest beyond, none for one target. The
    segmentor has to fool all of them (MTAF, section 3.2).

    Each discriminator is a child ``discriminator_<name>``; the names are
    ``source_<target>``, and ``targets`` or ``targets_<target>``.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        targets: Names of the targets, in the order of the data set.
        discriminator: Config of each ``MultiLevelDiscriminator``. Its levels
            must be the heads of ``adversarial_weights``.
        adversarial_weights: Weight of the fooling losses by head.
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, the discriminator does not fit, or
            targets are named twice.
    """

    allows_padding = True

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        discriminator: dict,
        adversarial_weights: dict[str, float],
        gan: Gan = 'vanilla',
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.targets = distinct_targets(targets)
        self.adversarial_weights = dict(adversarial_weights)
        self.gan = check_gan(gan)
        check_heads(self.segmentor, 'adversarial_weights', adversarial_weights)
        names = [f'{SOURCE}_{target}' for target in self.targets]
        names += self.names_among_targets()
        add_discriminators(self, discriminator, names)

    def names_among_targets(self) -> list[str]:
        """Names of the discriminators that tell targets from each other."""
        if len(self.targets) < 2:
            return []
        if len(self.targets) == 2:
            return [PAIR]
        return [f'{PAIR}_{target}' for target in self.targets]

    def labels_among_targets(self, target: str) -> dict[str, float]:
        """What discriminators among targets should say of a target.

        Args:
            target: Name of the target.

        Returns:
            Label by discriminator. Two targets are 0 and 1; of one against
            the rest the own target is 0 and all others are 1.
        """
        if len(self.targets) == 2:
            return {PAIR: float(self.targets.index(target))}
        return {
            name: float(name != f'{PAIR}_{target}')
            for name in self.names_among_targets()
        }

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """The segmentor on each domain, then each discriminator on each."""
        check_targets(inputs, self.targets)
        first = self._discriminator(f'{SOURCE}_{self.targets[0]}')
        check_image_sizes(unwrap(first), inputs)
        losses, source_logits = self.loss_on_source(inputs, data_samples)
        yield 'segmentor', losses
        del losses
        if self.is_warming_up:
            return
        target_logits = {}
        for target in self.targets:
            losses, target_logits[target] = self.loss_on_target(
                inputs[target], target
            )
            yield 'segmentor', losses
            del losses
        maps = self._detached_maps(source_logits, inputs[SOURCE], SOURCE)
        for target in self.targets:
            yield self._judge(f'source_{target}', maps, SOURCE_LABEL, SOURCE)
        for target in self.targets:
            maps = self._detached_maps(
                target_logits[target], inputs[target], target
            )
            yield self._judge(f'source_{target}', maps, TARGET_LABEL, target)
            for name, label in self.labels_among_targets(target).items():
                yield self._judge(
                    name, maps, label, target, self._share(label)
                )

    def loss_on_target(
        self, images: Tensor, target: str
    ) -> tuple[Losses, Logits]:
        """Fooling losses on one target.

        Args:
            images: (N, 3, H, W) normalised target images.
            target: Name of the target.

        Returns:
            Weighted losses by name, and the detached logits by head.
        """
        logits = self.segmentor(images)
        heads = list(self.adversarial_weights)
        valid = self.valid.get(target)
        maps = information_maps(
            self.upsample_heads(logits, heads, images), heads, valid
        )
        losses = self._fool(f'source_{target}', maps, SOURCE_LABEL, valid)
        wanted = self._wanted_among_targets(target)
        for name, label in wanted.items():
            losses |= self._fool(name, maps, label, valid, 1 / len(wanted))
        losses |= self.touch_unused(logits, heads)
        return add_prefix(losses, target), detach(logits)

    def _wanted_among_targets(self, target: str) -> dict[str, float]:
        """Labels of other targets, which the segmentor wants to hear."""
        labels = self.labels_among_targets(target)
        if len(self.targets) == 2:
            return {name: 1 - label for name, label in labels.items()}
        # 0 is what a discriminator says of its own target.
        return {name: 0.0 for name, label in labels.items() if label == 1}

    def _share(self, label: float) -> float:
        """Half for each side; the rest shares its half."""
        others = len(self.targets) - 1
        return 0.5 / others if len(self.targets) > 2 and label == 1 else 0.5

    def _discriminator(self, name: str):
        return getattr(self, f'discriminator_{name}')

    def _detached_maps(
        self, logits: Logits, images: Tensor, domain: str
    ) -> Logits:
        heads = list(self.adversarial_weights)
        upsampled = self.upsample_heads(logits, heads, images)
        return information_maps(upsampled, heads, self.valid.get(domain))

    def _fool(
        self,
        name: str,
        maps: Logits,
        label: float,
        valid: Tensor | None,
        share: float = 1.0,
    ) -> Losses:
        weights = {
            head: share * weight
            for head, weight in self.adversarial_weights.items()
        }
        losses = fooling_losses(
            self._discriminator(name), maps, weights, label, self.gan, valid
        )
        return add_prefix(losses, name)

    def _judge(
        self,
        name: str,
        maps: Logits,
        label: float,
        domain: str,
        factor: float = 0.5,
    ) -> tuple[str, Losses]:
        return judgement(
            f'discriminator_{name}',
            self._discriminator(name),
            maps,
            label,
            domain,
            self.gan,
            factor,
            self.valid.get(domain),
        )
