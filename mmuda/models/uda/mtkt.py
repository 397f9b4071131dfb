# Copyright (c) mmuda authors.
"""Several target-specific teachers and one student that serves all targets."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import Gan, kl_divergence
from mmuda.models.method_checks import check_choice
from mmuda.models.players import Losses
from mmuda.models.segmentors import Logits, Prediction
from mmuda.registry import MODELS
from mmuda.utils.names import AUX, DECODE, head_name

from .base import BaseUDA
from .collaborative_self_training import CollaborativeMixin, require_main_head
from .multi_head_advent import AlignedTargetHeads

Judge = Literal['own', 'last']


@MODELS.register_module()
class MTKT(CollaborativeMixin, AlignedTargetHeads, BaseUDA):
    """MTKT of `MTAF <https://arxiv.org/abs/2108.06962>`_.

    Each target has heads and a discriminator of its own and is aligned with
    the source as in AdvEnt. An agnostic head sees no labels: from the
    iteration that ``CollaborativeConsistencyHook`` names it learns from each
    target's head on that target's images (MTAF, section 3.3), and it is the
    one that predicts.

    Args:
        segmentor: Config of a ``MultiHeadEncoderDecoder`` with the same
            targets.
        targets: Names of the targets.
        discriminator: Config of each target's ``MultiLevelDiscriminator``;
            its levels are the keys of ``adversarial_weights``.
        adversarial_weights: Weight of the adversarial loss by level
            (``decode``, ``aux``).
        divergence_weights: Weight of the divergence from the target's to the
            agnostic head by level. None for the published ones, with C
            classes and T targets 1/C and, on an auxiliary head, 0.1/(T C):
            the published divergence is a mean over classes, ours their sum.
        gan: Form of the adversarial loss.
        auxiliary_judge: Whose discriminator the auxiliary heads have to fool:
            the target's ``own`` one, as the paper has it, or that of the
            ``last`` target, as the published code has it.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: The segmentor has not these targets, a level or
            ``auxiliary_judge`` is unknown, or the discriminator does not fit.
    """

    targets: tuple[str, ...]
    phases = ('distils',)
    learns_by_distillation_only = True

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        discriminator: dict,
        adversarial_weights: dict[str, float],
        divergence_weights: dict[str, float] | None = None,
        gan: Gan = 'vanilla',
        auxiliary_judge: Judge = 'own',
        **kwargs,
    ) -> None:
        super().__init__(
            segmentor,
            targets,
            discriminator,
            adversarial_weights,
            gan,
            **kwargs,
        )
        self.auxiliary_judge = check_choice(
            'auxiliary_judge', auxiliary_judge, Judge
        )
        if divergence_weights is None:
            divergence_weights = self._published_weights()
        self.divergence_weights = dict(divergence_weights)
        self.check_weights('divergence_weights')
        require_main_head('divergence_weights', divergence_weights)

    def _published_weights(self) -> dict[str, float]:
        count = self.num_classes
        weights = {
            DECODE: 1 / count,
            AUX: 0.1 / len(self.targets) / count,
        }
        return {level: weights[level] for level in self.adversarial_weights}

    def adversarial_losses(
        self, target: str, maps: Logits, valid: Tensor | None = None
    ) -> Losses:
        """As of AlignedTargetHeads, by the judge of the auxiliary heads."""
        losses = super().adversarial_losses(target, maps, valid)
        if self.auxiliary_judge == 'last':
            last = super().adversarial_losses(self.targets[-1], maps, valid)
            own = f'{DECODE}.'
            losses = {
                name: loss if name.startswith(own) else last[name]
                for name, loss in losses.items()
            }
        return losses

    @property
    def students(self) -> tuple[str, ...]:
        """The agnostic heads, once teaching has begun."""
        return tuple(self.divergence_weights) if self.phase.distils else ()

    def loss_of_students(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """Divergence of the agnostic heads from the target's own.

        It is that of the logits at the size of the images, as in the
        published code: between the network's pixels, where heads disagree
        about a border, it is another than theirs.

        Args:
            prediction: Logits (N, C, h, w) on the target's images by head.
            full: The same at the size of the images, (N, C, H, W).
            target: The images.

        Returns:
            Weighted losses by name; none before teaching begins.
        """
        if not self.students:
            return {}
        self.agreement.count(
            target.name,
            head_name(target.name),
            prediction.logits,
            target.valid,
            self.align_corners,
        )
        return {
            f'{level}.loss_divergence': weight
            * kl_divergence(
                full[head_name(target.name, level)].detach(),
                full[level],
                target.valid,
            )
            for level, weight in self.divergence_weights.items()
        }
