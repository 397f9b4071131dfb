# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""AdvEnt with heads and a discriminator of each target's own."""

from collections.abc import Iterator, Sequence

from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.losses import SOURCE_LABEL, TARGET_LABEL, Gan
from mmuda.models.segmentors import View
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
    check_image_sizes,
    check_targets,
    detach,
    distinct_targets,
)
from .target_heads import (
    check_levels,
    check_target_heads,
    drop_gradients,
    head_of,
    levels_of,
)


@MODELS.register_module()
class MultiHeadAdvEnt(BaseUDA):
    """The warm-up of CoaST and MLCL, and one half of MTKT.

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
        adversarial_weights: Weight of the fooling loss by level (``decode``,
            ``aux``).
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: The segmentor has not these targets, a level is unknown,
            or the discriminator does not fit.
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
        check_target_heads(self.segmentor, self.targets)
        self.check_weights('adversarial_weights')
        add_discriminators(self, discriminator, self.targets)

    def check_weights(self, name: str) -> None:
        """Refuse weights of levels that the targets' heads do not have."""
        levels = getattr(self, name)
        check_levels(self.segmentor, self.targets[0], name, levels)

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Source labels for all targets' heads, then target by target."""
        yield from self._losses(inputs, data_samples)
        drop_gradients(self.segmentor, self._idle_heads())

    def _idle_heads(self) -> list[str]:
        """Agnostic heads that learn nothing in this iteration."""
        segmentor = unwrap(self.segmentor)
        own = [n for t in self.targets for n in segmentor.heads_of(t)]
        learning = {*own, *(() if self.is_warming_up else self.students)}
        return [name for name in segmentor.heads() if name not in learning]

    def _losses(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        check_targets(inputs, self.targets)
        first = getattr(self, f'discriminator_{self.targets[0]}')
        check_image_sizes(unwrap(first), inputs)
        losses, source_logits = self.loss_of_specific_heads(
            inputs[SOURCE], data_samples[SOURCE]
        )
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
        for target in self.targets:
            yield self._judge(
                target, source_logits, inputs[SOURCE], SOURCE_LABEL, SOURCE
            )
            yield self._judge(
                target,
                target_logits[target],
                inputs[target],
                TARGET_LABEL,
                target,
            )

    def loss_of_specific_heads(
        self, images: Tensor, samples: SampleList
    ) -> tuple[Losses, Logits]:
        """Supervised losses of the heads of all targets.

        Args:
            images: (N, 3, H, W) normalised source images.
            samples: Their labels.

        Returns:
            Losses by name, and the detached logits of the specific heads.
        """
        segmentor = unwrap(self.segmentor)
        names = [n for t in self.targets for n in segmentor.heads_of(t)]
        logits = self.segmentor(View(images, tuple(names))).logits
        losses = segmentor.loss_from_logits(logits, samples)
        losses |= self.touch_unused(logits, names)
        return add_prefix(losses, SOURCE), detach(logits)

    def loss_on_target(
        self, images: Tensor, target: str
    ) -> tuple[Losses, Logits]:
        """Alignment of a target's heads, and what they teach.

        Args:
            images: (N, 3, H, W) normalised target images.
            target: Name of the target.

        Returns:
            Weighted losses by name, and the detached logits of its heads.
        """
        own, students = unwrap(self.segmentor).heads_of(target), self.students
        logits = self.segmentor(View(images, (*own, *students))).logits
        by_level = levels_of(logits, target)
        levels = list(self.adversarial_weights)
        upsampled = self.upsample_heads(by_level, (*levels, *students), images)
        valid = self.valid.get(target)
        losses = self.loss_of_fooling(
            target, information_maps(upsampled, levels, valid), valid
        )
        losses |= self.loss_of_students(logits, upsampled, images, target)
        used = [f'{target}.{level}' for level in levels] + list(students)
        losses |= self.touch_unused(logits, used)
        return add_prefix(losses, target), detach(
            {name: logits[name] for name in own}
        )

    def loss_of_fooling(
        self, target: str, maps: Logits, valid: Tensor | None = None
    ) -> Losses:
        """Weighted losses of looking like the source to a discriminator.

        Args:
            target: Whose discriminator it is.
            maps: Self-information maps (N, C, H, W) by level.
            valid: (N, H, W) bool, False on padding; None if there is none.
        """
        return fooling_losses(
            getattr(self, f'discriminator_{target}'),
            maps,
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
            valid,
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
        return head_of(domain if domain in self.targets else self.targets[0])

    def loss_of_students(
        self, logits: Logits, teachers: Logits, images: Tensor, target: str
    ) -> Losses:
        """What students learn from a target's own heads; nothing here.

        Args:
            logits: (N, C, h, w) logits on the target's images by head.
            teachers: (N, C, H, W) logits of the target's own heads by level.
            images: (N, 3, H, W) images of the target.
            target: Its name.
        """
        return {}

    def _judge(
        self,
        target: str,
        logits: Logits,
        images: Tensor,
        label: float,
        domain: str,
    ) -> tuple[str, Losses]:
        levels = list(self.adversarial_weights)
        upsampled = self.upsample_heads(
            levels_of(logits, target), levels, images
        )
        player = f'discriminator_{target}'
        return judgement(
            player,
            getattr(self, player),
            information_maps(upsampled, levels, self.valid.get(domain)),
            label,
            domain,
            self.gan,
            valid=self.valid.get(domain),
        )
