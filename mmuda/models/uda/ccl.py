# Copyright (c) mmuda authors.
"""An expert for each target and one student that serves all."""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import permutations

from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.utils import add_prefix
from torch import Tensor, nn

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.loading import add_main_prefix, copy_main_to
from mmuda.models.losses import (
    SOURCE_LABEL,
    TARGET_LABEL,
    Gan,
    kl_divergence,
    weight_distance,
)
from mmuda.models.method_checks import (
    check_choice,
    check_heads,
    check_number,
)
from mmuda.models.players import (
    SEGMENTOR,
    Losses,
    Steps,
    ddp_dummy_loss,
    unwrap,
)
from mmuda.models.segmentors import Logits
from mmuda.models.trained import check_cover
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE, SOURCE

from .advent import (
    add_discriminators,
    adversarial_losses,
    discriminator_step,
    judged_maps,
    self_information_maps,
)
from .base import BaseUDA, FullSize, detach
from .collaborative_self_training import CollaborativeMixin, require_main_head


@MODELS.register_module()
class CCL(CollaborativeMixin, BaseUDA):
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

    Divergences teach the second network only. All experts start with the
    weights of ``segmentor``, also if those come from a checkpoint without
    experts. Further children are ``discriminator_<target>``.

    Args:
        segmentor: Config of the student, a ``UDAEncoderDecoder``, and of each
            expert.
        targets: Names of the targets.
        discriminator: Config of each target's ``MultiLevelDiscriminator``.
        adversarial_weights: Weight of the adversarial loss by head.
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

    seams = ('extra',)
    phases = ('distils', 'transfers_style')
    exchanges_colours = True
    learns_by_distillation_only = True
    sees_domains_apart = False
    targets: tuple[str, ...]

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
        super().__init__(segmentor, targets=targets, **kwargs)
        self.adversarial_weights = dict(adversarial_weights)
        self.gan = check_choice('gan', gan, Gan)
        self.consistency_weights = dict(consistency_weights)
        self.distillation_weights = dict(distillation_weights)
        for name in (
            'adversarial_weights',
            'consistency_weights',
            'distillation_weights',
        ):
            check_heads(self.segmentor, name, getattr(self, name))
        require_main_head('distillation_weights', distillation_weights)
        self._add_experts(segmentor, discriminator)
        if regularization_norm not in (1, 2):
            raise ConfigError(
                'model.regularization_norm must be 1 or 2, not '
                f'{regularization_norm}'
            )
        self.regularization_weight = check_number(
            'regularization_weight', regularization_weight
        )
        self.regularization_norm = regularization_norm

    def _add_experts(self, segmentor: dict, discriminator: dict) -> None:
        add_discriminators(self, discriminator, self.targets)
        for target in self.targets:
            expert = MODELS.build(copy.deepcopy(segmentor))
            self.add_module(f'expert_{target}', expert)

    def expert(self, target: str) -> BaseSegmentor:
        """The expert of a target."""
        return getattr(self, f'expert_{target}')

    def losses_of_alignment(
        self, target: DomainBatch, seen: dict[str, Logits]
    ) -> Losses:
        """Adversarial losses of an expert on its target.

        Args:
            target: Its images.
            seen: Gets the expert's detached logits by head.
        """
        player = f'expert_{target.name}'
        expert = getattr(self, player)
        prediction = expert(target.images, heads=unwrap(expert).heads())
        full = FullSize(
            prediction.logits, partial(self.upsample, images=target.images)
        )
        losses = adversarial_losses(
            getattr(self, f'discriminator_{target.name}'),
            self_information_maps(full, self.adversarial_weights),
            self.adversarial_weights,
            SOURCE_LABEL,
            self.gan,
        )
        losses |= ddp_dummy_loss(expert, prediction.logits)
        seen[target.name] = detach(prediction.logits)
        return add_prefix(losses, target.name)

    def init_weights(self) -> None:
        """Initialise all parts; experts start as the segmentor."""
        fresh = not self.is_init
        super().init_weights()
        state = unwrap(self.segmentor).state_dict()
        for target in self.targets if fresh else ():
            unwrap(self.expert(target)).load_state_dict(state)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        add_main_prefix(state_dict, prefix, SEGMENTOR)
        for target in self.targets:
            name = f'expert_{target}'
            copy_main_to(name, state_dict, prefix, SEGMENTOR)
            check_cover(
                unwrap(self.expert(target)),
                state_dict,
                f'{prefix}{name}.',
                self.loading_from,
            )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def check_batch(self, batch: Batch) -> None:
        """As of :class:`BaseUDA`, and for images that are too small."""
        super().check_batch(batch)
        first = getattr(self, f'discriminator_{self.targets[0]}')
        batch.require_size(unwrap(first).min_side)

    def source_steps(self, batch: Batch, seen: dict[str, Logits]) -> Steps:
        """Each expert learns the source in the colours of its target."""
        for name in self.targets:
            yield (
                f'expert_{name}',
                self.losses_on_styled_source(batch, name, seen),
            )

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Logits]
    ) -> Steps:
        """The expert of a target is aligned with the source."""
        target = batch.targets[name]
        yield f'expert_{name}', self.losses_of_alignment(target, seen)

    def discriminator_steps(
        self, batch: Batch, seen: dict[str, Logits]
    ) -> Steps:
        """What experts teach, each other and the student; discriminators."""
        if self.phase.distils:
            yield from self.steps_of_experts(batch, seen)
            yield from self.steps_of_student(batch, seen)
        for name in self.targets:
            on_source = seen[f'{SOURCE}_{name}']
            sides = (
                (batch.source, on_source, SOURCE_LABEL),
                (batch.targets[name], seen[name], TARGET_LABEL),
            )
            for domain, logits, label in sides:
                maps = judged_maps(self, logits, domain)
                yield discriminator_step(
                    self, f'discriminator_{name}', maps, domain, label
                )

    def losses_on_styled_source(
        self, batch: Batch, name: str, seen: dict[str, Logits]
    ) -> Losses:
        """Source labels in a target's colours, and the pull of the student.

        Args:
            batch: Images of all domains.
            name: The target.
            seen: Gets the expert's detached logits, as of
                ``source_<target>``.
        """
        player, source = f'expert_{name}', batch.source
        expert = getattr(self, player)
        images = self.in_colors_of(source.images, batch.targets[name])
        prediction = expert(images, heads=unwrap(expert).heads())
        losses = unwrap(expert).losses(
            prediction, source.require_labels(), source.weights
        )
        losses['loss_weights'] = self._pull(expert, self.segmentor)
        losses |= ddp_dummy_loss(expert, prediction.logits)
        seen[f'{SOURCE}_{name}'] = detach(prediction.logits)
        return add_prefix(losses, f'{name}.{SOURCE}')

    def steps_of_experts(
        self, batch: Batch, teachers: Mapping[str, Logits]
    ) -> Steps:
        """What each expert learns of another target from that one's expert.

        Args:
            batch: Images of all domains.
            teachers: Logits of each expert on its target by head.
        """
        for name, other in permutations(self.targets, 2):
            images = self.in_colors_of(
                batch.targets[name].images, batch.targets[other]
            )
            player = f'expert_{other}'
            yield (
                player,
                add_prefix(
                    self._follow(
                        player,
                        images,
                        name,
                        teachers[name],
                        self.consistency_weights,
                    ),
                    f'{name}.{other}',
                ),
            )

    def steps_of_student(
        self, batch: Batch, teachers: Mapping[str, Logits]
    ) -> Steps:
        """What the student learns on each target, and the experts' pull.

        Args:
            batch: Images of all domains.
            teachers: Logits of each expert on its target by head.
        """
        for name in self.targets:
            yield (
                SEGMENTOR,
                self.losses_of_student(batch.targets[name], teachers[name]),
            )

    def losses_of_student(
        self, target: DomainBatch, teacher: Logits
    ) -> Losses:
        """What the student learns on a target, and the pull of its expert."""
        losses = self._follow(
            SEGMENTOR,
            target.images,
            target.name,
            teacher,
            self.distillation_weights,
        )
        expert = self.expert(target.name)
        losses['loss_weights'] = self._pull(self.segmentor, expert)
        return add_prefix(losses, f'{target.name}.student')

    def _follow(
        self,
        player: str,
        images: Tensor,
        target: str,
        teacher: Logits,
        weights: Mapping[str, float],
    ) -> Losses:
        """Divergence of a network from the expert of a target."""
        network = getattr(self, player)
        prediction = network(images, heads=unwrap(network).heads())
        logits = prediction.logits
        losses = {
            f'{head}.loss_divergence': weight
            * kl_divergence(teacher[head], logits[head])
            for head, weight in weights.items()
        }
        name = 'student' if player == SEGMENTOR else player
        self.agreement.count(
            target,
            'expert',
            {'expert': teacher[DECODE], name: logits[DECODE]},
        )
        return losses | ddp_dummy_loss(network, prediction.logits)

    def _pull(self, network: nn.Module, towards: nn.Module) -> Tensor:
        return self.regularization_weight * weight_distance(
            unwrap(network), unwrap(towards), self.regularization_norm
        )
