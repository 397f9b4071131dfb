# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Self-training of several heads on soft labels that is common to methods."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from mmseg.models.utils import resize
from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.losses import rectification_weights, valid_at
from mmuda.utils.errors import ConfigError, DataError

from .base import BaseUDA
from .domains import (
    SOURCE,
    Logits,
    Losses,
    check_number,
    check_targets,
    distinct_targets,
)
from .target_heads import check_target_heads


@dataclass(frozen=True)
class Phase:
    """What takes part in an iteration.

    Attributes:
        distils: Heads teach the agnostic head (and the ensemble the others).
        rectifies: Pseudo-labels on which heads disagree weigh less.
        transfers_style: Images of one target are shown in the style of
            others.
    """

    distils: bool = True
    rectifies: bool = True
    transfers_style: bool = True


@dataclass
class HeadAgreement:
    """Counts on how many pixels other heads predict what a teacher does.

    Attributes:
        counts: By target and head, (2, C) pixels by the class that the
            teacher predicts: all, and those where the head agrees.
    """

    counts: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def count(
        self,
        target: str,
        teacher: str,
        logits: Logits,
        valid: Tensor | None = None,
        align_corners: bool = False,
    ) -> None:
        """Count one batch.

        Args:
            target: Whose images they are.
            teacher: Head that the others are compared with.
            logits: (N, C, h, w) by head, the teacher among them.
            valid: (N, H, W) bool, False on padding; None if there is none.
            align_corners: How logits are resized to the images.
        """
        num_classes = logits[teacher].shape[1]
        predicted = logits[teacher].argmax(dim=1).flatten()
        counted = torch.ones_like(predicted)
        if valid is not None:
            size = logits[teacher].shape[2:]
            cells = valid_at(valid, size, align_corners)
            counted = cells.flatten().long()
        for head, values in logits.items():
            if head == teacher or values.shape != logits[teacher].shape:
                continue
            agreed = values.argmax(dim=1).flatten() == predicted
            # Neither bincount nor a mask, which would wait for the GPU.
            split = predicted.new_zeros(2 * num_classes).scatter_add_(
                0,
                predicted + num_classes * agreed,
                counted,
            )
            others, same = split.view(2, num_classes)
            counts = torch.stack([others + same, same])
            key = (target, head)
            self.counts[key] = self.counts.get(key, 0) + counts

    def pop(self) -> dict[tuple[str, str], Tensor]:
        """All counts, which start anew, in an order that never changes."""
        counts = dict(sorted(self.counts.items()))
        self.counts.clear()
        return counts


def describe_agreement(
    counts: Tensor, classes: tuple[str, ...]
) -> tuple[float, str]:
    """Agreement of two heads in per cent, and as a line of text.

    Args:
        counts: (2, C) pixels by the class that the teacher predicts: all, and
            those where the other head agrees.
        classes: Names of the classes.

    Returns:
        Share of all pixels, and text with the share of each class that the
        teacher predicts somewhere.
    """
    pixels, agreed = counts.tolist()
    overall = 100 * sum(agreed) / max(1, sum(pixels))
    parts = [
        f'{name} {100 * same / total:.0f}'
        for name, total, same in zip(classes, pixels, agreed, strict=True)
        if total
    ]
    return overall, f'{overall:.1f} % ({", ".join(parts)})'


def require_main_head(key: str, weights: Mapping[str, float]) -> None:
    """Refuse weights by which the head that predicts would learn nothing.

    Args:
        key: Config key of the weights.
        weights: Weights by head.

    Raises:
        ConfigError: That of the main head is missing or not positive.
    """
    if not weights.get('decode', 0) > 0:
        raise ConfigError(
            f"model.{key} needs a positive weight of 'decode', the head that "
            f'predicts; it is {dict(weights)}'
        )


class CollaborativeMixin:
    """A method whose heads teach each other on a schedule.

    ``CollaborativeConsistencyHook`` sets the phase before each iteration and
    logs and empties the counts of agreement.

    Attributes:
        phases: Parts of a :class:`Phase` that the method asks for.
        learns_by_distillation_only: Whether the network or head that
            predicts has no other loss.
    """

    needs_consistency_hook = True
    phases = ('distils', 'rectifies', 'transfers_style')
    learns_by_distillation_only = False

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.phase = Phase()
        self.agreement = HeadAgreement()


# Half, less what the rounding of float16 takes from it.
_LABELLED = 0.499


class CollaborativeSelfTraining(CollaborativeMixin, BaseUDA):
    """Base of CoaST and MLCL: heads that learn from labels of other heads.

    Training begins with the weights of :class:`MultiHeadAdvEnt`. Target
    images come with soft labels (``LoadSoftPseudoLabels``), which each
    target's own head made.

    Args:
        segmentor: Config of a ``MultiHeadEncoderDecoder``.
        targets: Names of the targets.
        gamma: How fast a pseudo-label loses weight with the divergence of
            heads on it.
        distillation_weight: Factor of the divergences between heads, which
            are averaged over pixels, classes and targets.
        pseudo_label_weight: Factor of all losses on pixels with a
            pseudo-label, also of CoaST's consistency. The published code
            pairs the losses of each image with the labelled pixels of each
            image of the batch, which is a factor of about the batch's size.
        loss_stride: Losses on targets are computed at the size of the images
            divided by this.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A value is out of its range, or the segmentor has not
            these targets.
    """

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        gamma: float = 1.0,
        distillation_weight: float = 1.0,
        pseudo_label_weight: float = 1.0,
        loss_stride: int = 4,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.targets = distinct_targets(targets)
        check_target_heads(self.segmentor, self.targets)
        self.gamma = check_number('gamma', gamma)
        self.distillation_weight = check_number(
            'distillation_weight', distillation_weight
        )
        self.pseudo_label_weight = check_number(
            'pseudo_label_weight', pseudo_label_weight
        )
        self.loss_stride = int(check_number('loss_stride', loss_stride, 1))

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """The source, then target by target."""
        check_targets(inputs, self.targets)
        for losses in self.losses_on_source(inputs, data_samples):
            yield 'segmentor', add_prefix(losses, SOURCE)
            del losses
        if self.is_warming_up:
            return
        for target in self.targets:
            losses = self.loss_on_target(inputs, data_samples, target)
            yield 'segmentor', add_prefix(losses, target)
            del losses

    @abstractmethod
    def losses_on_source(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[Losses]:
        """Supervised losses, in one or more backward passes."""

    @abstractmethod
    def loss_on_target(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        target: str,
    ) -> Losses:
        """Losses on the images of one target."""

    def others(self, target: str) -> list[str]:
        """The other targets, in their order."""
        return [other for other in self.targets if other != target]

    def at_stride(self, values: Tensor, images: Tensor) -> Tensor:
        """Resize logits or labels (N, C, h, w) to the size of the losses."""
        return resize(
            values,
            size=self._loss_size(images),
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )

    def soft_labels(self, samples: SampleList, images: Tensor) -> Tensor:
        """Soft labels of a batch at the size of the losses.

        They are read where the logits of :meth:`at_stride` lie: bilinearly,
        as in the published code. A place has a label if half of what it sees
        has one.

        Args:
            samples: Target samples with ``pseudo_soft_seg``.
            images: (N, 3, H, W) images of the samples.

        Returns:
            (N, C, h, w) float32 probabilities that sum to 1, or zeros where
            there is no label.

        Raises:
            DataError: A sample has no soft label, or one of another size.
        """
        labels = []
        for sample in samples:
            if 'pseudo_soft_seg' not in sample:
                raise DataError(
                    f'{sample.get("img_path", "a target sample")} has no soft '
                    "label; add dict(type='LoadSoftPseudoLabels') to the "
                    "target's pipeline"
                )
            # Autocast cannot stack half precision on every device.
            labels.append(sample.pseudo_soft_seg.data.float())
            if labels[-1].shape[1:] != images.shape[2:]:
                raise DataError(
                    f'{sample.get("img_path", "a target sample")}: the soft '
                    f'label is {tuple(labels[-1].shape[1:])}, the batch '
                    f'{tuple(images.shape[2:])} pixels; crop or pad all '
                    'images of a target to one size in its pipeline'
                )
        read = self.at_stride(torch.stack(labels).to(images.device), images)
        # Pixels without a label add nothing to it.
        share = read.sum(dim=1, keepdim=True)
        labelled = share > _LABELLED
        return (read / share.where(labelled, 1)).where(labelled, 0)

    def rectified(
        self, divergences: Sequence[Tensor], labels: Tensor
    ) -> Tensor:
        """Weights of pseudo-labels, (N, h, w), less where heads disagree.

        Args:
            divergences: (N, h, w), one for each other head.
            labels: (N, h, w) pseudo-labels.

        Returns:
            Weights from 0 to 1; 1 if there is no other head, or
            rectification has not begun.
        """
        if not divergences or not self.phase.rectifies:
            return torch.ones_like(labels, dtype=torch.float32)
        return rectification_weights(divergences, self.gamma)

    @property
    def distillation_factor(self) -> float:
        """Turns sums over classes into means over classes and targets."""
        return self.distillation_weight / (
            self.out_channels * len(self.targets)
        )

    def _loss_size(self, images: Tensor) -> tuple[int, int]:
        return tuple(
            max(1, side // self.loss_stride) for side in images.shape[2:]
        )
