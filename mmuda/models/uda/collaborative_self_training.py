# Copyright (c) mmuda authors.
"""Self-training of several heads on soft labels that is common to methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from mmengine.model import BaseModel
from mmseg.models import SegDataPreProcessor
from mmseg.models.utils import resize
from torch import Tensor

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import rectification_weights, valid_at
from mmuda.models.method_checks import check_number, check_target_heads
from mmuda.models.segmentors import Logits
from mmuda.models.style import transfer_colors
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE, head_name


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
            assert cells is not None, 'as valid is not'
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
    if not weights.get(DECODE, 0) > 0:
        raise ConfigError(
            f"model.{key} needs a positive weight of 'decode', the head that "
            f'predicts; it is {dict(weights)}'
        )


class CollaborativeMixin(BaseModel):
    """A method whose heads teach each other on a schedule.

    ``CollaborativeConsistencyHook`` sets the phase before each iteration and
    logs and empties the counts of agreement.

    Attributes:
        phases: Parts of a :class:`Phase` that the method asks for.
        learns_by_distillation_only: Whether the network or head that
            predicts has no other loss.
        exchanges_colours: Whether styles are the colours of images, which
            are three channels of 8 bits then.
    """

    exchanges_colours = False
    phases: tuple[str, ...] = ('distils', 'rectifies', 'transfers_style')
    learns_by_distillation_only = False
    learns_labelled_target = False
    further_hooks: tuple[str, ...] = ('CollaborativeConsistencyHook',)
    data_preprocessor: SegDataPreProcessor

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.phase = Phase()
        self.agreement = HeadAgreement()

    def in_colors_of(
        self, images: Tensor, target: DomainBatch, weak: bool = True
    ) -> Tensor:
        """Images in the colours of a target, once that has begun.

        Args:
            images: (N, 3, H, W) normalised images.
            target: Whose colours they get.
            weak: Take its images before strong augmentation.
        """
        if not self.phase.transfers_style:
            return images
        return in_colors_of(self.data_preprocessor, images, target, weak)


# Half, less what the rounding of float16 takes from it.
_LABELLED = 0.499


class CollaborativeSelfTraining(CollaborativeMixin):
    """What CoaST and MLCL share: heads that learn from labels of others.

    Training begins with the weights of :class:`MultiHeadAdvEnt`. Target
    images come with soft labels (``LoadSoftPseudoLabels``), which each
    target's own head made. The passes are the methods' own, each with several
    heads or styles.

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
        **kwargs: As of ``BaseUDA``.

    Attributes:
        own_head: Name of each target's own head.

    Raises:
        ConfigError: A value is out of its range, or the segmentor has not
            these targets.
    """

    seams: tuple[str, ...] = ('extra',)

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
        super().__init__(segmentor, targets=targets, **kwargs)
        check_target_heads(self.segmentor, self.targets)
        self.gamma = check_number('gamma', gamma)
        self.distillation_weight = check_number(
            'distillation_weight', distillation_weight
        )
        self.pseudo_label_weight = check_number(
            'pseudo_label_weight', pseudo_label_weight
        )
        self.loss_stride = int(check_number('loss_stride', loss_stride, 1))
        self.own_head = {name: head_name(name) for name in self.targets}

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

    def soft_labels(self, target: DomainBatch) -> Tensor:
        """Soft labels of a target at the size of the losses.

        They are read where the logits of :meth:`at_stride` lie: bilinearly,
        as in the published code. A place has a label if half of what it sees
        has one.

        Args:
            target: Images with soft labels.

        Returns:
            (N, C, h, w) float32 probabilities that sum to 1, or zeros where
            there is no label.

        Raises:
            DataError: A sample has no soft label, or one of another size.
        """
        # (N, C, H, W) -> (N, C, h, w)
        read = self.at_stride(target.require_soft_labels(), target.images)
        # Pixels without a label add nothing to it.
        share = read.sum(dim=1, keepdim=True)  # (N, 1, h, w)
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
        height, width = (
            max(1, side // self.loss_stride) for side in images.shape[2:]
        )
        return height, width


@torch.no_grad()
def in_colors_of(
    preprocessor: SegDataPreProcessor,
    images: Tensor,
    target: DomainBatch,
    weak: bool = True,
) -> Tensor:
    """Give images the colours of a target, the n-th those of the n-th.

    If the target has fewer images, they begin anew.

    Args:
        preprocessor: What normalised the images.
        images: (N, 3, H, W) normalised images.
        target: M images of the target.
        weak: As of :func:`reference_colors`.

    Returns:
        (N, 3, H, W) normalised images.
    """
    style = reference_colors(preprocessor, target, weak)
    places = torch.arange(len(images), device=style.device) % len(style)
    colors = transfer_colors(to_rgb(preprocessor, images), style[places])
    return from_rgb(preprocessor, colors, images)


def to_rgb(preprocessor: SegDataPreProcessor, images: Tensor) -> Tensor:
    """Undo the normalisation of images.

    Args:
        preprocessor: What normalised them.
        images: (N, 3, H, W) normalised images.

    Returns:
        (N, 3, H, W) float32 RGB in [0, 255].
    """
    values = denormalised(preprocessor, images)
    return values if _gives_rgb(preprocessor) else values.flip(1)


def denormalised(preprocessor: SegDataPreProcessor, images: Tensor) -> Tensor:
    """Images (N, C, H, W) as float32 in the units and order of their mean."""
    values = images.float()
    if preprocessor._enable_normalize:
        values = values * preprocessor.std + preprocessor.mean
    return values


def from_rgb(
    preprocessor: SegDataPreProcessor, colors: Tensor, like: Tensor
) -> Tensor:
    """Normalise images.

    Args:
        preprocessor: Normalises BGR images, as they are loaded.
        colors: (N, 3, H, W) RGB in [0, 255].
        like: Images whose type the result has.

    Returns:
        (N, 3, H, W) as the preprocessor would have made them.
    """
    values = colors if _gives_rgb(preprocessor) else colors.flip(1)
    if preprocessor._enable_normalize:
        values = (values - preprocessor.mean) / preprocessor.std
    return values.to(like)


def reference_colors(
    preprocessor: SegDataPreProcessor, target: DomainBatch, weak: bool = True
) -> Tensor:
    """Images whose colours are typical of a target.

    Args:
        preprocessor: What normalised the images.
        target: Its images. Samples' ``weak_image`` holds what an image was
            before strong augmentation, BGR (3, H, W) uint8.
        weak: Take these, if they are there.

    Returns:
        (N, 3, H, W) float32 RGB in [0, 255].
    """
    samples = target.samples
    if not (weak and samples and all('weak_image' in s for s in samples)):
        return to_rgb(preprocessor, target.images)
    images = torch.stack([sample.weak_image.data for sample in samples])
    return images.to(target.images.device, torch.float32).flip(1)


def _gives_rgb(preprocessor: SegDataPreProcessor) -> bool:
    # The name of mmsegmentation 1.2.2 is the second.
    for name in ('_channel_conversion', 'channel_conversion'):
        if hasattr(preprocessor, name):
            return getattr(preprocessor, name)
    return False
