# Copyright (c) mmuda authors.
"""Cooperative self-training across target domains."""

from collections.abc import Sequence
from functools import reduce

import torch
from mmengine.dist import all_gather, get_rank
from mmseg.utils import add_prefix
from torch import Tensor, nn

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.losses import (
    confidence_mask,
    divergence_map,
    kl_divergence,
    masked_mean,
    weighted_cross_entropy,
)
from mmuda.models.method_checks import check_number
from mmuda.models.players import SEGMENTOR, Losses, Steps, ddp_dummy_loss
from mmuda.models.segmentors import Logits, View
from mmuda.models.segmentors.prediction import Style
from mmuda.models.style import (
    ChannelStatistics,
    channel_statistics,
    swap_statistics,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.names import DECODE, SOURCE

from .base import BaseUDA
from .collaborative_self_training import CollaborativeSelfTraining


@MODELS.register_module()
class CoaST(CollaborativeSelfTraining, BaseUDA):
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

    targets: tuple[str, ...]

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
        if not self.network.style_layers and len(self.targets) > 1:
            raise ConfigError(
                'model.segmentor.style_layers is empty; CoaST needs the names '
                "of early parts of the backbone, such as ['layer1', 'layer2']"
            )
        self.style_weight = check_number('style_weight', style_weight)
        self.confidence = check_number('confidence', confidence, -1, 1)
        self.freeze_style = freeze_style
        self.style_memory = StyleMemory(self.targets)

    def source_steps(self, batch: Batch, seen: dict[str, Logits]) -> Steps:
        """The targets' heads and the agnostic one learn the labels."""
        yield SEGMENTOR, self.losses_on_source(batch.source)

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Logits]
    ) -> Steps:
        """Pseudo-labels in the own and in other styles, and distillation."""
        yield SEGMENTOR, self.losses_on_target(batch.targets[name])

    def losses_on_source(self, source: DomainBatch) -> Losses:
        """Supervised losses of the targets' heads and the agnostic one."""
        heads = (*self.own_head.values(), DECODE)
        prediction = self.segmentor(source.images, heads=heads)
        if not self.freeze_style:
            self.style_memory.keep_features(self.targets[-1], prediction.style)
        losses = self.network.losses(
            prediction, source.require_labels(), source.weights
        )
        return add_prefix(
            losses | ddp_dummy_loss(self.segmentor, prediction.logits), SOURCE
        )

    def losses_on_target(self, target: DomainBatch) -> Losses:
        """All of what is learned from the images of one target."""
        images, own = target.images, self.own_head[target.name]
        prediction = self.segmentor(images, heads=(own, DECODE))
        statistics = channel_statistics(images.detach())
        self.style_memory.keep(target.name, (statistics, *prediction.style))
        # (N, C, h, w) -> (N, C, H / stride, W / stride)
        logits = {
            head: self.at_stride(values, images)
            for head, values in prediction.logits.items()
        }
        styled_logits = self.logits_in_other_styles(images, target.name)
        styled = {
            head: self.at_stride(values, images)
            for head, values in styled_logits.items()
        }
        self.agreement.count(target.name, own, logits | styled)
        labels = confidence_mask(self.soft_labels(target), self.confidence)
        losses = self.pseudo_label_losses(logits[own], styled, labels)
        if self.phase.distils:
            losses['loss_distillation'] = (
                self.distillation_factor
                * kl_divergence(logits[own].detach(), logits[DECODE])
            )
        losses |= ddp_dummy_loss(
            self.segmentor, prediction.logits | styled_logits
        )
        return add_prefix(losses, target.name)

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
            learned = (
                weighted_cross_entropy(values, labels, weights)
                for values in styled.values()
            )
            losses['loss_style'] = factor * reduce(torch.add, learned)
            differing = (masked_mean(values, labels) for values in divergences)
            losses['loss_consistency'] = factor * reduce(torch.add, differing)
        return losses

    def logits_in_other_styles(
        self, images: Tensor, target: str
    ) -> dict[str, Tensor]:
        """What other targets' heads predict for images in their style.

        Args:
            images: (N, 3, H, W) normalised images of a target.
            target: Its name.

        Returns:
            (N, C, h, w) logits by head; no head of a target whose style is
            not known yet.
        """
        logits: dict[str, Tensor] = {}
        for other in self.others(target) if self.phase.transfers_style else ():
            style = self.style_memory.recall(other, len(images), images.device)
            if not style:
                continue
            swapped = swap_statistics(images, style[0])
            view = View(swapped, (self.own_head[other],), style[1:])
            prediction = self.segmentor(view)
            if not self.freeze_style:
                self.style_memory.keep_features(target, prediction.style)
            logits |= prediction.logits
        return logits


class StyleMemory(nn.Module):
    """Remembers the channel statistics of each target's last batch.

    All processes remember all samples, so a checkpoint that one of them
    writes is complete, and sample n of a batch meets sample n of another
    target's whatever the number of processes.

    Args:
        targets: Names of the targets.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__()
        self.targets = tuple(targets)
        # (N, 2 x channels of all statistics) of all processes, by target.
        self._rows: dict[str, Tensor] = {}
        self._sizes: list[int] = []

    def keep(self, target: str, style: Style) -> None:
        """Remember the style of a batch.

        Args:
            target: Whose images they are.
            style: Statistics of each layer, (n, C) means and deviations of
                the samples of this process.
        """
        self._sizes = _sizes_of(style)
        self._rows[target] = _rows_of(style)

    def keep_features(self, target: str, style: Style) -> None:
        """Remember other features of a target, but its images as they were.

        Nothing happens before a batch of the target itself was remembered.

        Args:
            target: Which target.
            style: Statistics of each layer but the first, the images.
        """
        if target not in self._rows:
            return
        features, known = _rows_of(style), self._rows[target]
        images = known.shape[1] - features.shape[1]
        # Batches of another size, as in recall.
        places = torch.arange(len(features)) % len(known)
        self._sizes = [images // 2, *_sizes_of(style)]
        self._rows[target] = torch.cat(
            [known[places, :images].to(features), features], dim=1
        )

    def recall(self, target: str, count: int, device: torch.device) -> Style:
        """Styles for the samples of this process.

        Args:
            target: Whose style is wanted.
            count: Number of samples.
            device: Where it is needed.

        Returns:
            Statistics of each layer, (count, C); empty if nothing is
            remembered yet.
        """
        if target not in self._rows or not self._sizes:
            return ()
        rows = self._rows[target].to(device)
        first = get_rank() * count
        # Batches of another size, after a change of the config.
        places = torch.arange(first, first + count, device=device) % len(rows)
        widths = [size for size in self._sizes for _ in range(2)]
        parts = rows[places].split(widths, dim=1)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return tuple(ChannelStatistics(mean, std) for mean, std in pairs)

    def get_extra_state(self) -> Tensor:
        """All rows as one (T, N, D) tensor, NaN where there are none."""
        if not self._rows:
            return torch.empty(0)
        # Batches of the targets may be of unlike sizes.
        largest = max(self._rows.values(), key=len)
        size = (len(self.targets), *largest.shape)
        state = largest.new_full(size, torch.nan)
        for place, target in zip(state, self.targets, strict=True):
            rows = self._rows.get(target, largest[:0])
            place[: len(rows)] = rows
        return state

    def set_extra_state(self, state: Tensor) -> None:
        """Continue with what a checkpoint remembers.

        Args:
            state: What :meth:`get_extra_state` gave.

        Raises:
            CheckpointError: It is of another number of targets.
        """
        self._rows = {}
        if not state.numel():
            return
        if len(state) != len(self.targets):
            raise CheckpointError(
                f'the checkpoint remembers the styles of {len(state)} '
                f'targets, model.targets are {list(self.targets)}; use the '
                'config that it was trained with'
            )
        for target, rows in zip(self.targets, state, strict=True):
            # One that overflowed under AMP is continued as it is: images are
            # numbers.
            known = rows[~rows.isnan().all(dim=1)]
            if len(known):
                self._rows[target] = known.clone()


def _sizes_of(style: Style) -> list[int]:
    return [part.mean.shape[1] for part in style]


def _rows_of(style: Style) -> Tensor:
    """All statistics of each sample of all processes, one row each."""
    row = torch.cat([v for part in style for v in part], dim=1).detach()
    return torch.cat(all_gather(row.contiguous()))
