# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Cooperative self-training across target domains."""

from collections.abc import Iterator, Sequence

from mmseg.utils import SampleList
from torch import Tensor

from mmuda.models.losses import (
    confidence_mask,
    divergence_map,
    kl_divergence,
    masked_mean,
    weighted_cross_entropy,
)
from mmuda.models.segmentors import View
from mmuda.models.style import channel_statistics, swap_statistics
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .collaborative_self_training import CollaborativeSelfTraining
from .domains import SOURCE, Logits, Losses, check_number
from .style_memory import StyleMemory
from .target_heads import DECODE, head_of


@MODELS.register_module()
class CoaST(CollaborativeSelfTraining):
    r"""CoaST of `Zhang et al. <https://arxiv.org/abs/2210.01578>`_, WACV 2023.

    Each target's head learns pseudo-labels of its own images. The same images
    are shown in the style of each other target, whose head has to agree:

    .. math:: L_i = \bar L_{pl} + L_{kd} + \rho \,
        (\bar L_{pl}^{sty} + L_{cst})

    A style is the channel statistics of the image and of the features after
    the blocks of the segmentor's ``style_layers``, sample by sample. Where
    heads disagree, a pseudo-label weighs
    :math:`w = \exp(-\gamma \, KL)` (bars). The agnostic head learns from all
    others by divergence, and the source's labels.

    Args:
        segmentor: Config of a ``MultiHeadEncoderDecoder`` with
            ``style_layers``.
        targets: Names of the targets.
        style_weight: Factor :math:`\rho` of the losses in other styles.
        confidence: Pseudo-labels of a lower probability are ignored.
        freeze_style: Remember styles of a target's own images only, as the
            paper means it. False goes on remembering those of the features,
            not of the images, of any pass that comes while a target is the
            current one, as the published code does: of its images in other
            styles and, as the last target's, of the source.
        **kwargs: As of :class:`CollaborativeSelfTraining`.
    """

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        style_weight: float = 1.0,
        confidence: float = -1.0,
        freeze_style: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, targets, **kwargs)
        if not unwrap(self.segmentor).style_layers and len(self.targets) > 1:
            raise ConfigError(
                'model.segmentor.style_layers is empty; CoaST needs the names '
                "of early parts of the backbone, such as ['layer1', 'layer2']"
            )
        self.style_weight = check_number('style_weight', style_weight)
        self.confidence = check_number('confidence', confidence, -1, 1)
        self.freeze_style = freeze_style
        self.style_memory = StyleMemory(self.targets)

    def losses_on_source(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[Losses]:
        """Cross entropy of all heads."""
        heads = (*(head_of(target) for target in self.targets), DECODE)
        seen = self.segmentor(View(inputs[SOURCE], heads))
        if not self.freeze_style:
            self.style_memory.keep_features(self.targets[-1], seen.style)
        losses = unwrap(self.segmentor).loss_from_logits(
            seen.logits, data_samples[SOURCE]
        )
        yield losses | self.touch_unused(seen.logits, heads)

    def loss_on_target(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        target: str,
    ) -> Losses:
        """Pseudo-labels in the own and in other styles, and distillation."""
        images, own = inputs[target], head_of(target)
        seen = self.segmentor(View(images, (own, DECODE)))
        statistics = channel_statistics(images.detach())
        self.style_memory.keep(target, (statistics, *seen.style))
        logits = {k: self.at_stride(v, images) for k, v in seen.logits.items()}
        styled = self.logits_in_other_styles(images, target)
        self.agreement.count(target, own, logits | styled)
        labels = confidence_mask(
            self.soft_labels(data_samples[target], images), self.confidence
        )
        losses = self.pseudo_label_losses(logits[own], styled, labels)
        used = [own, *styled]
        if self.phase.distils:
            losses['loss_distillation'] = (
                self.distillation_factor
                * kl_divergence(logits[own].detach(), logits[DECODE])
            )
            used.append(DECODE)
        return losses | self.touch_unused(logits | styled, used)

    def pseudo_label_losses(
        self, logits: Tensor, styled: Logits, labels: Tensor
    ) -> Losses:
        """Rectified cross entropy in all styles, and consistency.

        Args:
            logits: (N, C, h, w) of the target's own head.
            styled: Those of other heads in other styles.
            labels: (N, h, w) pseudo-labels, 255 = rejected.
        """
        divergences = [
            divergence_map(logits.detach(), values)
            for values in styled.values()
        ]
        weights = self.rectified(divergences, labels)
        losses = {
            'loss_pseudo': self.pseudo_label_weight
            * weighted_cross_entropy(logits, labels, weights)
        }
        if styled:
            factor = self.pseudo_label_weight * self.style_weight / len(styled)
            losses['loss_style'] = factor * sum(
                weighted_cross_entropy(values, labels, weights)
                for values in styled.values()
            )
            losses['loss_consistency'] = factor * sum(
                masked_mean(values, labels) for values in divergences
            )
        return losses

    def logits_in_other_styles(self, images: Tensor, target: str) -> Logits:
        """What other targets' heads predict for images in their style.

        Args:
            images: (N, 3, H, W) normalised images of a target.
            target: Its name.

        Returns:
            (N, C, h, w) logits by head, at the size of the losses; no head of
            a target whose style is not known yet.
        """
        logits: Logits = {}
        if not self.phase.transfers_style:
            return logits
        for other in self.others(target):
            style = self.style_memory.recall(other, len(images), images.device)
            if not style:
                continue
            head = head_of(other)
            swapped = swap_statistics(images, style[0])
            seen = self.segmentor(View(swapped, (head,), style[1:]))
            if not self.freeze_style:
                self.style_memory.keep_features(target, seen.style)
            logits[head] = self.at_stride(seen.logits[head], images)
        return logits
