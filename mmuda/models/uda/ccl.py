# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""An expert for each target and one student that serves all."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from mmseg.utils import SampleList, add_prefix
from torch import Tensor, nn

from mmuda.models.coverage import check_cover
from mmuda.models.losses import (
    SOURCE_LABEL,
    TARGET_LABEL,
    Gan,
    kl_divergence,
    weight_distance,
)
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .adversarial import (
    add_discriminators,
    check_gan,
    fooling_losses,
    information_maps,
    judgement,
)
from .base import BaseUDA
from .collaborative_self_training import CollaborativeMixin, require_main_head
from .colors import in_colors_of
from .domains import (
    SOURCE,
    Logits,
    Losses,
    check_heads,
    check_image_sizes,
    check_number,
    check_targets,
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
        fresh = not self.is_init
        super().init_weights()
        state = unwrap(self.segmentor).state_dict()
        for target in self.targets if fresh else ():
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


@MODELS.register_module()
class CCL(CollaborativeMixin, AlignedExperts):
    r"""CCL, collaborative consistency learning, as far as it is known.

    Rebuilt from the abstract of `Isobe et al.
    <https://arxiv.org/abs/2106.03418>`_, CVPR 2021; formulas and weights are
    ours where the paper's are not known.

    Each target has an expert, a whole segmentor ``expert_<target>`` that
    learns the source in the target's colours and is aligned as in AdvEnt.
    Experts have to agree: on images of target i in the colours of target j,
    expert j predicts what expert i does on the images as they are. The
    student, ``segmentor``, learns from each expert on its target, and weights
    of experts and student attract each other:

    .. math:: \sum_i L_i^{UDA} + \lambda_{con} \sum_{i \ne j}
        KL(P_i(x_i) \| P_j(x_{i \to j})) + \lambda_{KD} \sum_i
        KL(P_i(x_i) \| P_S(x_i)) + \lambda_W \sum_i L_W(\theta_i, \theta_S)

    Divergences teach the second network only.

    Args:
        segmentor: Config of the student, a ``UDAEncoderDecoder``, and of each
            expert.
        targets: Names of the targets.
        discriminator: Config of each target's ``MultiLevelDiscriminator``.
        adversarial_weights: Weight of the fooling loss by head.
        consistency_weights: :math:`\lambda_{con}` by head.
        distillation_weights: :math:`\lambda_{KD}` by head.
        regularization_weight: :math:`\lambda_W`.
        regularization_norm: 2 for half the sum of squares, 1 for the sum of
            absolute differences.
        gan: Form of the adversarial loss.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A head is unknown, the discriminator does not fit, or
            targets are named twice.
    """

    phases = ('distils', 'transfers_style')
    learns_by_distillation_only = True

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        discriminator: dict,
        adversarial_weights: dict[str, float],
        consistency_weights: dict[str, float],
        distillation_weights: dict[str, float],
        regularization_weight: float = 5e-4,
        regularization_norm: int = 2,
        gan: Gan = 'vanilla',
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
        self.consistency_weights = dict(consistency_weights)
        self.distillation_weights = dict(distillation_weights)
        for name in ('consistency_weights', 'distillation_weights'):
            check_heads(self.segmentor, name, getattr(self, name))
        require_main_head('distillation_weights', distillation_weights)
        if regularization_norm not in (1, 2):
            raise ConfigError(
                'model.regularization_norm must be 1 or 2, not '
                f'{regularization_norm}'
            )
        self.regularization_weight = check_number(
            'regularization_weight', regularization_weight
        )
        self.regularization_norm = regularization_norm

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Each expert, what experts teach, and the discriminators."""
        check_targets(inputs, self.targets)
        first = getattr(self, f'discriminator_{self.targets[0]}')
        check_image_sizes(unwrap(first), inputs)
        on_source, on_target = {}, {}
        for target in self.targets:
            losses, on_source[target] = self.loss_on_styled_source(
                inputs, data_samples, target
            )
            yield f'expert_{target}', losses
            del losses
        if self.is_warming_up:
            return
        for target in self.targets:
            losses, on_target[target] = self.loss_of_alignment(
                inputs[target], target
            )
            yield f'expert_{target}', losses
            del losses
        if self.phase.distils:
            yield from self.losses_of_experts(inputs, data_samples, on_target)
            yield from self.losses_of_student(inputs, on_target)
        for target in self.targets:
            yield self.judge(target, on_source, inputs, SOURCE, SOURCE_LABEL)
            yield self.judge(target, on_target, inputs, target, TARGET_LABEL)

    def loss_on_styled_source(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        target: str,
    ) -> tuple[Losses, Logits]:
        """Source labels in a target's colours, and the pull of the student.

        Returns:
            Losses by name, and the expert's detached logits by head.
        """
        expert = self.expert(target)
        images = self._in_colors_of(SOURCE, target, inputs, data_samples)
        logits = expert(images)
        losses = unwrap(expert).loss_from_logits(logits, data_samples[SOURCE])
        losses['loss_weights'] = self._pull(expert, self.segmentor)
        return add_prefix(losses, f'{target}.{SOURCE}'), detach(logits)

    def losses_of_experts(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        teachers: Mapping[str, Logits],
    ) -> Iterator[tuple[str, Losses]]:
        """What each expert learns of another target from that one's expert.

        Args:
            inputs: Images by domain.
            data_samples: Samples by domain.
            teachers: Logits of each expert on its target by head.
        """
        for target, other in permutations(self.targets, 2):
            images = self._in_colors_of(target, other, inputs, data_samples)
            logits = self.expert(other)(images)
            losses = self._follow(
                logits, teachers[target], self.consistency_weights
            )
            self.agreement.count(
                target,
                'expert',
                dict(expert=teachers[target]['decode'])
                | {f'expert_{other}': logits['decode']},
            )
            yield f'expert_{other}', add_prefix(losses, f'{target}.{other}')
            del losses, logits

    def losses_of_student(
        self, inputs: dict[str, Tensor], teachers: Mapping[str, Logits]
    ) -> Iterator[tuple[str, Losses]]:
        """What the student learns on each target, and the experts' pull.

        Args:
            inputs: Images by domain.
            teachers: Logits of each expert on its target by head.
        """
        for target in self.targets:
            logits = self.segmentor(inputs[target])
            losses = self._follow(
                logits, teachers[target], self.distillation_weights
            )
            losses['loss_weights'] = self._pull(
                self.segmentor, self.expert(target)
            )
            self.agreement.count(
                target,
                'expert',
                dict(expert=teachers[target]['decode'])
                | dict(student=logits['decode']),
            )
            yield 'segmentor', add_prefix(losses, f'{target}.student')
            del losses, logits

    def _follow(
        self, logits: Logits, teacher: Logits, weights: Mapping[str, float]
    ) -> Losses:
        losses = {
            f'{head}.loss_divergence': weight
            * kl_divergence(teacher[head], logits[head])
            for head, weight in weights.items()
        }
        return losses | self.touch_unused(logits, list(weights))

    def _pull(self, network: nn.Module, towards: nn.Module) -> Tensor:
        return self.regularization_weight * weight_distance(
            unwrap(network), unwrap(towards), self.regularization_norm
        )

    def _in_colors_of(
        self, domain: str, target: str, inputs: dict, data_samples: dict
    ) -> Tensor:
        if not self.phase.transfers_style:
            return inputs[domain]
        return in_colors_of(
            self.data_preprocessor,
            inputs[domain],
            data_samples[target],
            inputs[target],
        )
