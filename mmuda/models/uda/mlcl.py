# Copyright (c) mmuda authors.
"""Multi-level collaborative learning of several target domains."""

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Literal

import torch
from mmseg.utils import add_prefix
from torch import Tensor

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.losses import (
    class_entropy_mask,
    divergence_map,
    gather_padded,
    kl_divergence,
    weighted_cross_entropy,
)
from mmuda.models.method_checks import check_choice, check_number
from mmuda.models.players import SEGMENTOR, Losses, Steps, ddp_dummy_loss
from mmuda.models.segmentors import Logits, View
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE, ENSEMBLE, SOURCE

from .base import BaseUDA
from .collaborative_self_training import CollaborativeSelfTraining

Slots = Literal['fixed', 'own_first']


@MODELS.register_module()
class MLCL(CollaborativeSelfTraining, BaseUDA):
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

    exchanges_colours = True

    targets: tuple[str, ...]

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
        self.collaborative_weight = check_number(
            'collaborative_weight', collaborative_weight
        )
        self.ensemble_weight = check_number('ensemble_weight', ensemble_weight)
        self.entropy_quantile = check_number(
            'entropy_quantile', entropy_quantile, most=1
        )
        self.entropy_floor = check_number('entropy_floor', entropy_floor)
        self.ensemble_slots = check_choice(
            'ensemble_slots', ensemble_slots, Slots
        )
        self.weak_references = weak_references

    def source_steps(self, batch: Batch, seen: dict[str, Logits]) -> Steps:
        """The agnostic head on the source, the others in targets' colours."""
        source = batch.source
        view = View(source.images, (DECODE,))
        yield SEGMENTOR, self.supervised(view, source)
        views = {
            name: View(
                self.in_colors_of(source.images, batch.targets[name]),
                (self.own_head[name],),
            )
            for name in self.targets
        }
        yield SEGMENTOR, self.supervised(views, source)

    def supervised(
        self, views: View | Mapping[str, View], source: DomainBatch
    ) -> Losses:
        """Segmentation losses of all that predicts in views of the source.

        Args:
            views: One view, or one in the colours of each target.
            source: Its labels.
        """
        prediction = self.segmentor(views)
        losses = self.network.losses(
            prediction, source.require_labels(), source.weights
        )
        return add_prefix(
            losses | ddp_dummy_loss(self.segmentor, prediction.logits), SOURCE
        )

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Logits]
    ) -> Steps:
        """Individual, collaborative and ensemble learning; distillation."""
        losses = self.losses_of_target(batch, name)
        yield SEGMENTOR, add_prefix(losses, name)

    def losses_of_target(self, batch: Batch, name: str) -> Losses:
        """All of what is learned from the images of one target.

        Args:
            batch: Images of all domains.
            name: The target.
        """
        target = batch.targets[name]
        prediction = self.segmentor(self.views_in_all_colors(batch, name))
        # (N, C, h, w) -> (N, C, H / stride, W / stride)
        logits = {
            head: self.at_stride(values, target.images)
            for head, values in prediction.logits.items()
        }
        self.agreement.count(name, self.own_head[name], logits)
        labels = class_entropy_mask(
            self.soft_labels(target),
            self.entropy_quantile,
            self.entropy_floor,
            # A class has one threshold, however many processes there are.
            gather=partial(gather_padded, fill=255),
        )
        losses = self.learning_losses(logits, labels, name)
        if self.phase.distils:
            losses['loss_distillation'] = self.distillation_loss(logits, name)
        return losses | ddp_dummy_loss(self.segmentor, prediction.logits)

    def learning_losses(
        self, logits: Logits, labels: Tensor, target: str
    ) -> Losses:
        """Individual, collaborative and ensemble learning.

        Args:
            logits: (N, C, h, w) by head, at the size of the labels.
            labels: (N, h, w) pseudo-labels of a target, 255 = rejected.
            target: Its name.
        """
        own = self.own_head[target]
        others = [self.own_head[other] for other in self.others(target)]
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
            losses['loss_collaborative'] = factor * reduce(
                torch.add, (learn[head] for head in others)
            )
        return losses

    def distillation_loss(self, logits: Logits, target: str) -> Tensor:
        """From the ensemble to the target's own head, to the agnostic one."""
        own = logits[self.own_head[target]]
        return self.distillation_factor * (
            kl_divergence(own.detach(), logits[DECODE])
            + kl_divergence(logits[ENSEMBLE].detach(), own)
        )

    def views_in_all_colors(self, batch: Batch, name: str) -> dict[str, View]:
        """Images of a target in the colours of each.

        Args:
            batch: Images of all domains.
            name: Whose images are shown.

        Returns:
            By the place in the ensemble head's input: the images as they are
            for the own and the agnostic head, and in the colours of the
            others for theirs.
        """
        images = batch.targets[name].images
        order = list(self.targets)
        if self.ensemble_slots == 'own_first':
            order = [name, *self.others(name)]
        views = {}
        for slot, other in zip(self.targets, order, strict=True):
            shown, heads = images, [self.own_head[other]]
            if other == name:
                heads.append(DECODE)
            else:
                shown = self.in_colors_of(
                    images, batch.targets[other], self.weak_references
                )
            views[slot] = View(shown, tuple(heads))
        return views
