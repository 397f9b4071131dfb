# Copyright (c) mmuda authors.
"""AdvEnt with heads and a discriminator of each target's own."""

from collections.abc import Iterable, Sequence

from mmengine.model import BaseModel
from mmseg.models.segmentors.base import BaseSegmentor
from torch import Tensor

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.losses import SOURCE_LABEL, TARGET_LABEL, Gan
from mmuda.models.method_checks import (
    check_choice,
    check_levels,
    check_target_heads,
)
from mmuda.models.players import Losses, Steps, unwrap
from mmuda.models.segmentors import Logits, Prediction
from mmuda.registry import MODELS
from mmuda.utils.names import DECODE, SOURCE, head_name

from .advent import (
    add_discriminators,
    adversarial_losses,
    discriminator_step,
    judged_maps,
    self_information_maps,
)
from .base import BaseUDA


class AlignedTargetHeads(BaseModel):
    """Heads of each target's own, aligned with the source as in AdvEnt.

    What :class:`MultiHeadAdvEnt` is, and one half of MTKT, whose agnostic
    heads are students of the targets'; the arguments are of the former.
    """

    allows_padding = True
    learns_labelled_target = False

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
        check_target_heads(self.segmentor, self.targets)
        self.check_weights('adversarial_weights')
        add_discriminators(self, discriminator, self.targets)

    def check_weights(self, name: str) -> None:
        """Refuse weights of levels that the targets' heads do not have."""
        levels = getattr(self, name)
        check_levels(self.segmentor, self.targets[0], name, levels)

    def check_batch(self, batch: Batch) -> None:
        """As of :class:`BaseUDA`, and for images that are too small."""
        super().check_batch(batch)
        first = getattr(self, f'discriminator_{self.targets[0]}')
        batch.require_size(unwrap(first).min_side)

    def _steps(self, batch: Batch) -> Steps:
        """As of :class:`BaseUDA`; heads without a loss stay as they are."""
        yield from super()._steps(batch)
        drop_gradients(self.segmentor, self._idle_heads())

    def _idle_heads(self) -> list[str]:
        """Agnostic heads that learn nothing in this iteration."""
        learning = {
            *self.heads_on(SOURCE),
            *(() if self.is_warming_up else self.students),
        }
        return [name for name in self.network.heads() if name not in learning]

    def heads_on(self, domain: str) -> tuple[str, ...]:
        """Those of a target and students; on the source of all targets."""
        if domain == SOURCE:
            own = [self.network.heads_of(target) for target in self.targets]
            return tuple(name for names in own for name in names)
        return (*self.network.heads_of(domain), *self.students)

    def head_on(self, target: str, level: str = DECODE) -> str:
        """The target's own head of a level."""
        return head_name(target, level)

    def loss_on_target(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """Alignment of a target's heads, and what they teach."""
        by_level = {
            level: full[head_name(target.name, level)]
            for level in self.adversarial_weights
        }
        losses = self.adversarial_losses(
            target.name,
            # Not by a name, which would keep them while students learn.
            self_information_maps(by_level, by_level, target.valid),
            target.valid,
        )
        return losses | self.loss_of_students(prediction, full, target)

    def adversarial_losses(
        self, target: str, maps: Logits, valid: Tensor | None = None
    ) -> Losses:
        """Weighted losses of looking like the source to a discriminator.

        Args:
            target: Whose discriminator it is.
            maps: Self-information maps (N, C, H, W) by level.
            valid: (N, H, W) bool, False on padding; None if there is none.
        """
        return adversarial_losses(
            getattr(self, f'discriminator_{target}'),
            maps,
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
            valid,
        )

    def loss_of_students(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """What students learn from a target's own heads; nothing here.

        Args:
            prediction: Logits (N, C, h, w) on the target's images by head.
            full: The same at the size of the images, (N, C, H, W).
            target: The images.
        """
        return {}

    def discriminator_steps(
        self, batch: Batch, seen: dict[str, Logits]
    ) -> Steps:
        """Tell each target from the source by its own heads."""
        for name in self.targets:
            sides = (
                (batch.source, SOURCE_LABEL),
                (
                    batch.targets[name],
                    TARGET_LABEL,
                ),
            )
            for domain, label in sides:
                logits = {
                    level: seen[domain.name][head_name(name, level)]
                    for level in self.adversarial_weights
                }
                maps = judged_maps(self, logits, domain)
                yield discriminator_step(
                    self, f'discriminator_{name}', maps, domain, label
                )

    @property
    def students(self) -> tuple[str, ...]:
        """Heads that learn from those of the same level of a target now.

        None here.
        """
        return ()

    def preview_head(self, domain: str) -> str | None:
        """Head to show a domain with; None for the one that predicts.

        Args:
            domain: The source or a target.
        """
        if self.students:
            return None
        return head_name(domain if domain in self.targets else self.targets[0])


@MODELS.register_module()
class MultiHeadAdvEnt(AlignedTargetHeads, BaseUDA):
    """The warm-up of CoaST and MLCL.

    Each target has heads and a discriminator of its own and is aligned with
    the source as in AdvEnt; only its own heads see a target. All of them
    learn the source's labels (MTAF, section 3.3; `CoaST
    <https://arxiv.org/abs/2210.01578>`_, stage ``warm_up``). The agnostic
    head learns nothing: predict with the targets' heads.

    Args:
        segmentor: Config of a ``MultiHeadEncoderDecoder`` with the same
            targets.
        targets: Names of the targets.
        discriminator: Config of each target's ``MultiLevelDiscriminator``;
            its levels are the keys of ``adversarial_weights``.
        adversarial_weights: Weight of the adversarial loss by level
            (``decode``, ``aux``).
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: The segmentor has not these targets, a level is unknown,
            or the discriminator does not fit.
    """


def drop_gradients(segmentor: BaseSegmentor, heads: Iterable[str]) -> None:
    """Leave heads as they are that had no loss in a whole iteration.

    Under DDP ``ddp_dummy_loss`` gives them gradients of zero, by
    which an optimizer would still decay their weights. A head keeps the
    gradients that a term gives it.

    Args:
        segmentor: A ``MultiHeadEncoderDecoder``, with or without a
            distributed wrapper.
        heads: Names of the heads.
    """
    known = unwrap(segmentor).heads()
    for name in heads:
        for parameter in known[name].parameters():
            if parameter.grad is not None and not parameter.grad.any():
                parameter.grad = None
