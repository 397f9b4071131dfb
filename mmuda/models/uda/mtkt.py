# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Several target-specific teachers and one student that serves all targets."""

from collections.abc import Iterator, Sequence

from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.losses import (
    SOURCE_LABEL,
    TARGET_LABEL,
    Gan,
    kl_divergence,
)
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.schedule import current_iteration

from .adversarial import (
    check_gan,
    discriminator_losses,
    fooling_losses,
    information_maps,
)
from .base import BaseUDA
from .domains import (
    SOURCE,
    Logits,
    Losses,
    check_discriminator,
    check_image_sizes,
    check_targets,
    detach,
    distinct_targets,
)


@MODELS.register_module()
class MTKT(BaseUDA):
    """MTKT of `MTAF <https://arxiv.org/abs/2108.06962>`_.

    Each target has heads and a discriminator of its own and is aligned with
    the source as in AdvEnt. An agnostic head sees no labels: from iteration
    ``teacher_iters`` on it learns from each target's head on that target's
    images (MTAF, section 3.3), and it is the one that predicts.

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
        teacher_iters: Iterations before the agnostic head learns.
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: The segmentor has not these targets, a level is unknown,
            or the discriminator does not fit.
    """

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        discriminator: dict,
        adversarial_weights: dict[str, float],
        divergence_weights: dict[str, float],
        teacher_iters: int = 20000,
        gan: Gan = 'vanilla',
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.targets = distinct_targets(targets)
        self.adversarial_weights = dict(adversarial_weights)
        self.divergence_weights = dict(divergence_weights)
        self.teacher_iters = teacher_iters
        self.gan = check_gan(gan)
        self._check_segmentor()
        for target in self.targets:
            built = MODELS.build(discriminator)
            check_discriminator(
                built, self.adversarial_weights, self.num_classes
            )
            self.add_module(f'discriminator_{target}', built)

    def _check_segmentor(self) -> None:
        found = sorted(getattr(self.segmentor, 'target_heads', {}))
        if found != sorted(self.targets):
            raise ConfigError(
                f'model.targets is {list(self.targets)}, but '
                f'model.segmentor.targets {found}; take a '
                'MultiHeadEncoderDecoder with the same targets'
            )
        levels = self.segmentor.target_heads[self.targets[0]]
        for key in ('adversarial_weights', 'divergence_weights'):
            for level in getattr(self, key):
                if level not in levels:
                    raise ConfigError(
                        f"model.{key}: the targets have no head '{level}' "
                        f'(they have {list(levels)})'
                    )

    @property
    def teaches(self) -> bool:
        """Whether the agnostic head learns already."""
        return current_iteration() >= self.teacher_iters

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Source labels for all specific heads, then target by target."""
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
        logits = self.segmentor(images)
        segmentor = unwrap(self.segmentor)
        names = [n for t in self.targets for n in segmentor.heads_of(t)]
        specific = {name: logits[name] for name in names}
        losses = segmentor.loss_from_logits(specific, samples)
        losses |= self.touch_unused(logits, names)
        return add_prefix(losses, SOURCE), detach(specific)

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
        logits = self.segmentor(images)
        own = self._levels(logits, target)
        levels = list(self.adversarial_weights)
        maps = information_maps(
            self.upsample_heads(own, levels, images), levels
        )
        losses = fooling_losses(
            getattr(self, f'discriminator_{target}'),
            maps,
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
        )
        used = [f'{target}.{level}' for level in levels]
        if self.teaches:
            for level, weight in self.divergence_weights.items():
                losses[f'{level}.loss_divergence'] = weight * kl_divergence(
                    own[level].detach(), logits[level]
                )
            used += list(self.divergence_weights)
        losses |= self.touch_unused(logits, used)
        names = unwrap(self.segmentor).heads_of(target)
        return add_prefix(losses, target), detach(
            {name: logits[name] for name in names}
        )

    def _levels(self, logits: Logits, target: str) -> Logits:
        """Logits of a target's heads by level."""
        prefix = f'{target}.'
        return {
            name.removeprefix(prefix): values
            for name, values in logits.items()
            if name.startswith(prefix)
        }

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
            self._levels(logits, target), levels, images
        )
        player = f'discriminator_{target}'
        losses = discriminator_losses(
            getattr(self, player),
            information_maps(upsampled, levels),
            label,
            self.gan,
        )
        return player, {
            f'{player}.{level}.loss_{domain}': loss
            for level, loss in losses.items()
        }
