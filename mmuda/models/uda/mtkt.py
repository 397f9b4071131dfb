# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Several target-specific teachers and one student that serves all targets."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor

from mmuda.models.losses import Gan, kl_divergence
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .collaborative_self_training import CollaborativeMixin, require_main_head
from .domains import Logits, Losses
from .multi_head_advent import MultiHeadAdvEnt
from .target_heads import DECODE, head_of

Judge = Literal['own', 'last']


@MODELS.register_module()
class MTKT(CollaborativeMixin, MultiHeadAdvEnt):
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
        adversarial_weights: Weight of the fooling loss by level (``decode``,
            ``aux``).
        divergence_weights: Weight of the divergence from the target's to the
            agnostic head by level.
        gan: Form of the adversarial loss.
        auxiliary_judge: Whose discriminator the auxiliary heads have to fool:
            the target's ``own`` one, as the paper has it, or that of the
            ``last`` target, as the published code has it.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: The segmentor has not these targets, a level or
            ``auxiliary_judge`` is unknown, or the discriminator does not fit.
    """

    phases = ('distils',)
    learns_by_distillation_only = True

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        discriminator: dict,
        adversarial_weights: dict[str, float],
        divergence_weights: dict[str, float],
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
        if auxiliary_judge not in get_args(Judge):
            raise ConfigError(
                f'model.auxiliary_judge must be one of {get_args(Judge)}, '
                f"not '{auxiliary_judge}'"
            )
        self.auxiliary_judge = auxiliary_judge
        self.divergence_weights = dict(divergence_weights)
        self.check_weights('divergence_weights')
        require_main_head('divergence_weights', divergence_weights)

    def loss_of_fooling(
        self, target: str, maps: Logits, valid: Tensor | None = None
    ) -> Losses:
        """As of MultiHeadAdvEnt, by the judge of the auxiliary heads."""
        losses = super().loss_of_fooling(target, maps, valid)
        if self.auxiliary_judge == 'last':
            last = super().loss_of_fooling(self.targets[-1], maps, valid)
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
        self, logits: Logits, teachers: Logits, images: Tensor, target: str
    ) -> Losses:
        """Divergence of the agnostic heads from the target's own.

        It is that of the logits at the size of the images, as in the
        published code: between the network's pixels, where heads disagree
        about a border, it is another than theirs.

        Args:
            logits: (N, C, h, w) logits on the target's images by head.
            teachers: (N, C, H, W) logits of the target's own heads by level.
            images: (N, 3, H, W) images of the target.
            target: Its name.

        Returns:
            Weighted losses by name; none before teaching begins.
        """
        if not self.students:
            return {}
        valid = self.valid.get(target)
        self.agreement.count(
            target, head_of(target), logits, valid, self.align_corners
        )
        students = self.upsample_heads(logits, self.students, images)
        return {
            f'{level}.loss_divergence': weight
            * kl_divergence(teachers[level].detach(), students[level], valid)
            for level, weight in self.divergence_weights.items()
        }
