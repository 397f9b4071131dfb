# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A whole segmentor for each target, aligned with the source."""

import copy
from collections.abc import Mapping, Sequence

from mmseg.utils import add_prefix
from torch import Tensor, nn

from mmuda.models.coverage import check_cover
from mmuda.models.losses import SOURCE_LABEL, Gan
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
    Logits,
    Losses,
    check_heads,
    detach,
    distinct_targets,
)
from .loading import add_segmentor_prefix, copy_segmentor_to


class AlignedExperts(BaseUDA):
    """Base of methods with an expert, a whole segmentor, for each target.

    The children are ``expert_<target>`` and ``discriminator_<target>``. All
    experts start with the weights of ``segmentor``, also if those come from a
    checkpoint without experts.

    Args:
        segmentor: Config of ``segmentor`` and of each expert, a
            ``UDAEncoderDecoder``.
        targets: Names of the targets.
        discriminator: Config of each target's ``MultiLevelDiscriminator``.
        adversarial_weights: Weight of an expert's fooling loss by head.
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, the discriminator does not fit, or
            targets are named twice.
    """

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
        add_discriminators(self, discriminator, self.targets)
        for target in self.targets:
            expert = MODELS.build(copy.deepcopy(segmentor))
            self.add_module(f'expert_{target}', expert)

    def expert(self, target: str) -> nn.Module:
        """The expert of a target."""
        return getattr(self, f'expert_{target}')

    def loss_of_alignment(
        self, images: Tensor, target: str
    ) -> tuple[Losses, Logits]:
        """Fooling losses of an expert on its target.

        Returns:
            Weighted losses by name, and the expert's detached logits by head.
        """
        logits = self.expert(target)(images)
        heads = list(self.adversarial_weights)
        losses = fooling_losses(
            getattr(self, f'discriminator_{target}'),
            information_maps(
                self.upsample_heads(logits, heads, images), heads
            ),
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
        )
        losses |= self.touch_unused(logits, heads)
        return add_prefix(losses, target), detach(logits)

    def judge(
        self,
        target: str,
        logits: Mapping[str, Logits],
        inputs: dict[str, Tensor],
        domain: str,
        label: float,
    ) -> tuple[str, Losses]:
        """Loss of a target's discriminator on one domain.

        Args:
            target: Whose discriminator it is.
            logits: Of each target's expert by head, without a graph.
            inputs: Images by domain.
            domain: The domain.
            label: What the discriminator should say.
        """
        heads = list(self.adversarial_weights)
        maps = information_maps(
            self.upsample_heads(logits[target], heads, inputs[domain]), heads
        )
        player = f'discriminator_{target}'
        judge = getattr(self, player)
        return judgement(player, judge, maps, label, domain, self.gan)

    def init_weights(self) -> None:
        """Initialise all parts; experts start as the segmentor."""
        super().init_weights()
        state = unwrap(self.segmentor).state_dict()
        for target in self.targets:
            unwrap(self.expert(target)).load_state_dict(state)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        add_segmentor_prefix(state_dict, prefix)
        for target in self.targets:
            name = f'expert_{target}'
            copy_segmentor_to(name, state_dict, prefix)
            check_cover(
                unwrap(self.expert(target)),
                state_dict,
                f'{prefix}{name}.',
                self.loading_from,
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
