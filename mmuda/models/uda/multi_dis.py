# Copyright (c) mmuda authors.
"""Adversarial alignment of several targets with the source and each other."""

from collections.abc import Sequence

from mmseg.utils import add_prefix

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.losses import SOURCE_LABEL, TARGET_LABEL, Gan
from mmuda.models.method_checks import (
    check_choice,
    check_heads,
)
from mmuda.models.players import Losses, Steps, unwrap
from mmuda.models.segmentors import Logits, Prediction
from mmuda.registry import MODELS
from mmuda.utils.names import SOURCE

from .advent import (
    add_discriminators,
    adversarial_losses,
    discriminator_step,
    judged_maps,
    self_information_maps,
)
from .base import BaseUDA

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
        adversarial_weights: Weight of the adversarial losses by head.
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, the discriminator does not fit, or
            targets are named twice.
    """

    allows_padding = True

    targets: tuple[str, ...]

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        discriminator: dict,
        adversarial_weights: dict[str, float],
        gan: Gan = 'vanilla',
        **kwargs,
    ) -> None:
        super().__init__(segmentor, targets=targets, **kwargs)
        self.adversarial_weights = dict(adversarial_weights)
        self.gan = check_choice('gan', gan, Gan)
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

    def check_batch(self, batch: Batch) -> None:
        """As of :class:`BaseUDA`, and for images that are too small."""
        super().check_batch(batch)
        first = getattr(self, f'discriminator_{SOURCE}_{self.targets[0]}')
        batch.require_size(unwrap(first).min_side)

    def loss_on_target(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """Maps ought to look like those of the source and other targets."""
        maps = self_information_maps(
            full, self.adversarial_weights, target.valid
        )
        wanted = self._wanted_among_targets(target.name)
        judges = {f'{SOURCE}_{target.name}': (SOURCE_LABEL, 1.0)}
        judges |= {
            name: (label, 1 / len(wanted)) for name, label in wanted.items()
        }
        losses: Losses = {}
        for name, (label, share) in judges.items():
            weights = {
                head: share * weight
                for head, weight in self.adversarial_weights.items()
            }
            judge = getattr(self, f'discriminator_{name}')
            judged = adversarial_losses(
                judge, maps, weights, label, self.gan, target.valid
            )
            losses |= add_prefix(judged, name)
        return losses

    def discriminator_steps(
        self, batch: Batch, seen: dict[str, Logits]
    ) -> Steps:
        """Tell each target from the source, then targets from each other."""
        maps = judged_maps(self, seen[SOURCE], batch.source)
        for name in self.targets:
            player = f'discriminator_{SOURCE}_{name}'
            yield discriminator_step(
                self, player, maps, batch.source, SOURCE_LABEL
            )
        for name in self.targets:
            target = batch.targets[name]
            maps = judged_maps(self, seen[name], target)
            judges = {f'{SOURCE}_{name}': (TARGET_LABEL, 0.5)}
            judges |= {
                judge: (label, self._share(label))
                for judge, label in self.labels_among_targets(name).items()
            }
            for judge, (label, share) in judges.items():
                player = f'discriminator_{judge}'
                yield discriminator_step(
                    self, player, maps, target, label, share
                )

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
