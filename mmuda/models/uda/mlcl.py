# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Multi-level collaborative learning of several target domains."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, get_args

from mmseg.utils import SampleList
from torch import Tensor

from mmuda.models.losses import (
    class_entropy_mask,
    divergence_map,
    kl_divergence,
    weighted_cross_entropy,
)
from mmuda.models.segmentors import ENSEMBLE, View
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.distributed import gather_padded
from mmuda.utils.errors import ConfigError

from .collaborative_self_training import CollaborativeSelfTraining
from .colors import in_colors_of
from .domains import SOURCE, Logits, Losses, check_number
from .target_heads import DECODE, head_of

Slots = Literal['fixed', 'own_first']


@MODELS.register_module()
class MLCL(CollaborativeSelfTraining):
    r"""MLCL, multi-level collaborative learning, IEEE TCSVT 2024.

    Images are shown in the colours of each target (Lab statistics, Reinhard).
    On three levels heads learn the pseudo-labels of a target:

    .. math:: L_i = L_{ind} + \rho L_{col} + \lambda_E L_{ens} + L_{kd}

    its own head on its images, the others' heads on the images in their
    colours, and the ensemble head on all of these at once. Knowledge is
    distilled from the ensemble to the target's own and from there to the
    agnostic head. Pseudo-labels of high entropy, compared over the batches of
    all processes, are left out class by class; where heads disagree they
    weigh less.

    Args:
        segmentor: Config of a ``MultiHeadEncoderDecoder`` with
            ``ensemble=True``.
        targets: Names of the targets.
        collaborative_weight: Factor :math:`\rho`.
        ensemble_weight: Factor :math:`\lambda_E`; the code has 0.05, most of
            the published runs 0.01.
        entropy_quantile: Part of a class's pixels that is kept, by entropy.
        entropy_floor: Normalised entropy below which a pixel is kept anyway.
        ensemble_slots: ``fixed`` gives each target's colours a place of their
            own in the ensemble head's input; ``own_first`` puts the images
            themselves first, as the published code does on targets.
        weak_references: Take target images before strong augmentation for
            the colours of others, as for the source's. False takes the
            augmented ones on targets, as the published code does.
        **kwargs: As of :class:`CollaborativeSelfTraining`.

    Raises:
        ConfigError: The segmentor has no ensemble head, or
            ``ensemble_slots`` is unknown.
    """

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        collaborative_weight: float = 1.0,
        ensemble_weight: float = 0.05,
        entropy_quantile: float = 0.5,
        entropy_floor: float = 0.25,
        ensemble_slots: Slots = 'fixed',
        weak_references: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, targets, **kwargs)
        if ENSEMBLE not in self.segmentor.heads():
            raise ConfigError('MLCL needs model.segmentor.ensemble=True')
        if ensemble_slots not in get_args(Slots):
            raise ConfigError(
                f'model.ensemble_slots must be one of {get_args(Slots)}, not '
                f"'{ensemble_slots}'"
            )
        self.collaborative_weight = check_number(
            'collaborative_weight', collaborative_weight
        )
        self.ensemble_weight = check_number('ensemble_weight', ensemble_weight)
        self.entropy_quantile = check_number(
            'entropy_quantile', entropy_quantile, most=1
        )
        self.entropy_floor = check_number('entropy_floor', entropy_floor)
        self.ensemble_slots = ensemble_slots
        self.weak_references = weak_references

    def losses_on_source(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[Losses]:
        """The agnostic head on the source, the others in targets' colours."""
        segmentor, samples = unwrap(self.segmentor), data_samples[SOURCE]
        logits = self.segmentor(View(inputs[SOURCE], (DECODE,))).logits
        losses = segmentor.loss_from_logits(logits, samples)
        yield losses | self.touch_unused(logits, list(logits))
        del losses, logits
        views = {
            target: View(
                self.in_colors_of(
                    inputs[SOURCE], data_samples[target], inputs[target]
                ),
                (head_of(target),),
            )
            for target in self.targets
        }
        logits = _by_head(self.segmentor(views))
        losses = segmentor.loss_from_logits(logits, samples)
        yield losses | self.touch_unused(logits, list(logits))

    def loss_on_target(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        target: str,
    ) -> Losses:
        """Individual, collaborative and ensemble learning; distillation."""
        images = inputs[target]
        logits = {
            head: self.at_stride(values, images)
            for head, values in self.logits_in_all_colors(
                inputs, data_samples, target
            ).items()
        }
        self.agreement.count(target, head_of(target), logits)
        labels = class_entropy_mask(
            self.soft_labels(data_samples[target], images),
            self.entropy_quantile,
            self.entropy_floor,
            # A class has one threshold, however many processes there are.
            gather=partial(gather_padded, fill=255),
        )
        losses = self.learning_losses(logits, labels, target)
        used = [head for head in logits if head != DECODE]
        if self.phase.distils:
            losses['loss_distillation'] = self.distillation_loss(
                logits, target
            )
            used.append(DECODE)
        return losses | self.touch_unused(logits, used)

    def learning_losses(
        self, logits: Logits, labels: Tensor, target: str
    ) -> Losses:
        """Individual, collaborative and ensemble learning.

        Args:
            logits: (N, C, h, w) by head, at the size of the labels.
            labels: (N, h, w) pseudo-labels of a target, 255 = rejected.
            target: Its name.
        """
        own = head_of(target)
        others = [head_of(other) for other in self.others(target)]
        divergences = [
            divergence_map(logits[own].detach(), logits[head].detach())
            for head in others
        ]
        weights = self.rectified(divergences, labels)
        learn = {
            head: self.pseudo_label_weight
            * weighted_cross_entropy(logits[head], labels, weights)
            for head in (own, *others, ENSEMBLE)
        }
        losses = {
            'loss_individual': learn[own],
            'loss_ensemble': self.ensemble_weight * learn[ENSEMBLE],
        }
        if others:
            factor = self.collaborative_weight / len(others)
            losses['loss_collaborative'] = factor * sum(
                learn[head] for head in others
            )
        return losses

    def distillation_loss(self, logits: Logits, target: str) -> Tensor:
        """From the ensemble to the target's own head, to the agnostic one."""
        own = logits[head_of(target)]
        return self.distillation_factor * (
            kl_divergence(own.detach(), logits[DECODE])
            + kl_divergence(logits[ENSEMBLE].detach(), own)
        )

    def logits_in_all_colors(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        target: str,
    ) -> Logits:
        """Logits of all heads for images of a target.

        Args:
            inputs: Images by domain.
            data_samples: Samples by domain.
            target: Whose images are shown.

        Returns:
            (N, C, h, w) by head: the own and the agnostic head of the images
            as they are, the other targets' in their colours, and the
            ensemble of all.
        """
        order = list(self.targets)
        if self.ensemble_slots == 'own_first':
            order = [target, *self.others(target)]
        views = {}
        for slot, other in zip(self.targets, order, strict=True):
            images, heads = inputs[target], (head_of(other),)
            if other == target:
                heads = (*heads, DECODE)
            else:
                samples = data_samples[other] if self.weak_references else []
                images = self.in_colors_of(images, samples, inputs[other])
            views[slot] = View(images, heads)
        return _by_head(self.segmentor(views))

    def in_colors_of(
        self, images: Tensor, samples: SampleList, references: Tensor
    ) -> Tensor:
        """Images in the colours of a target, once that has begun."""
        if not self.phase.transfers_style:
            return images
        return in_colors_of(
            self.data_preprocessor, images, samples, references
        )


def _by_head(logits: dict[str, Logits]) -> Logits:
    """Logits by head instead of by view and head."""
    return {
        head: values
        for view in logits.values()
        for head, values in view.items()
    }
