# Copyright (c) mmuda authors.
"""Accuracy on the target, estimated from confidences on the source.

Garg et al., `ATC <https://arxiv.org/abs/2201.04234>`_, ICLR 2022, with a
threshold for each predicted class as Li et al., `Estimating Model Performance
under Domain Shifts with Class-Specific Confidence Scores
<https://arxiv.org/abs/2207.09957>`_, MICCAI 2022; and DoC of Guillory et al.,
ICCV 2021.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmuda.utils.names import IGNORE_ID

from .label_free_scores import agreement, mean_iou
from .label_free_state import LabelFreeState
from .pixel_counts import count_pairs
from .score_histogram import ScoreHistogram, quantise

# Classes with a smaller share of the target's pixels are not estimated.
SMALLEST_SHARE = 1e-4


class SourceState:
    """How right and how sure a network is on labelled source images.

    Args:
        num_classes: Number of classes C.
        bins: Bins of the histograms, as of the target's state.
        device: Where to count.

    Attributes:
        confusion: (C, C) int64 pixels, rows true and columns predicted.
        right: Largest probabilities of right pixels by predicted class.
        wrong: The same of wrong pixels.
        confidence: Sum of the largest probabilities, float64.
        images: Number of images.
    """

    def __init__(
        self,
        num_classes: int,
        bins: int = 4096,
        device: torch.device | str = 'cpu',
    ) -> None:
        def zeros(*shape: int, kind: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(shape, dtype=kind, device=device)

        self.confusion = zeros(num_classes, num_classes)
        self.right = ScoreHistogram(num_classes, bins, device)
        self.wrong = ScoreHistogram(num_classes, bins, device)
        self.confidence = zeros(kind=torch.float64)
        self.images = zeros()

    @torch.no_grad()
    def update(self, probabilities: Tensor, truth: Tensor) -> None:
        """Add images.

        Args:
            probabilities: (N, C, h, w).
            truth: (N, h, w) true classes, 255 where unknown.
        """
        device = self.confusion.device
        for image, label in zip(probabilities, truth, strict=True):
            confidence, predicted = image.to(device).max(dim=0)
            label = label.to(device)
            known = (label != IGNORE_ID) & torch.isfinite(confidence)
            bins = quantise(confidence.nan_to_num(), self.right.bins)
            for histogram, chosen in (
                (self.right, known & (predicted == label)),
                (self.wrong, known & (predicted != label)),
            ):
                histogram.update(predicted[chosen], bins[chosen])
            pairs = count_pairs(
                label[known], predicted[known], len(self.confusion), IGNORE_ID
            )
            self.confusion += pairs[:-1, :-1]
            self.confidence += confidence[known].double().sum()
            self.images += 1

    def all_reduce(self) -> None:
        """Add up the counts of all processes."""
        for value in self._tensors():
            all_reduce(value)

    def _tensors(self) -> Iterator[Tensor]:
        yield self.confusion
        yield self.right.counts
        yield self.wrong.counts
        yield self.confidence
        yield self.images

    @property
    def pixels(self) -> int:
        """Number of labelled pixels with a prediction."""
        return int(self.confusion.sum())

    @property
    def mean_iou(self) -> float:
        """Mean IoU in percent, at the resolution of the predictions."""
        return mean_iou(self.confusion)

    @property
    def accuracy(self) -> float:
        """Right share of all pixels, in percent."""
        return agreement(self.confusion)

    @property
    def class_ratio(self) -> Tensor:
        """Share of each class among the labels, (C,) float64."""
        pixels = self.confusion.sum(dim=1).double()
        return pixels / pixels.sum()


def threshold_bins(right: Tensor, wrong: Tensor) -> Tensor:
    """Bin from which on as many pixels lie as are right.

    The threshold of ATC: on the source, the share of confidences at or above
    it is the accuracy.

    Args:
        right: (C, bins) right pixels by predicted class and confidence.
        wrong: (C, bins) wrong pixels.

    Returns:
        (C,) int64; of several that fit equally, the highest; the number of
        bins where nothing is right.
    """
    every = right + wrong
    # (C, bins + 1): pixels at or above each bin, and above all
    above = every.flip(1).cumsum(1).flip(1)
    above = torch.nn.functional.pad(above, (0, 1))
    distance = (above - right.sum(dim=1, keepdim=True)).abs()
    # The last of the smallest.
    return every.shape[1] - distance.flip(1).argmin(dim=1)


@dataclass(frozen=True)
class AccuracyEstimate:
    """What class-specific ATC expects on the target.

    Attributes:
        precision: (C,) expected right share of the pixels predicted as each
            class, NaN where it is not estimated.
        iou: (C,) expected IoU in percent, NaN where it is not estimated.
        pixels: (C,) pixels predicted as each class.
    """

    precision: Tensor
    iou: Tensor
    pixels: Tensor

    @property
    def mean_iou(self) -> float:
        """Mean of the classes that are estimated, in percent."""
        known = self.iou[~self.iou.isnan()]
        return float(known.mean()) if len(known) else math.nan

    @property
    def mean_precision(self) -> float:
        """Expected right share of the pixels of these classes, in percent."""
        known = ~self.precision.isnan()
        pixels = self.pixels[known].double()
        right = (self.precision[known] * pixels).sum()
        return 100 * float(right / pixels.sum()) if len(pixels) else math.nan

    @property
    def left_out(self) -> list[int]:
        """Classes that are not estimated."""
        return self.iou.isnan().nonzero().flatten().tolist()


def estimate_accuracy(
    target: LabelFreeState, source: SourceState
) -> AccuracyEstimate:
    """Expected IoU of each class, by class-specific ATC.

    The share q of a class's target pixels above its threshold is expected to
    be right. Which classes the others are of, ATC does not tell: they are
    spread as their probabilities are (our rule), and become false negatives
    of those classes.

    Args:
        target: Of a network on target images.
        source: Of the same network on labelled source images, with as many
            bins.

    Returns:
        Without the classes that hold less than 1e-4 of the target's pixels,
        that are not in the source's labels or not predicted there.
    """
    counts = target.confidences.counts
    right, wrong = (
        h.counts.to(counts.device) for h in (source.right, source.wrong)
    )
    thresholds = threshold_bins(right, wrong)
    bins = torch.arange(counts.shape[1], device=counts.device)
    passing = (counts * (bins >= thresholds.unsqueeze(1))).sum(dim=1)
    pixels = counts.sum(dim=1)
    precision = passing.double() / pixels.clamp(min=1)
    labelled = source.confusion.sum(dim=1).to(counts.device)
    predicted = source.confusion.sum(dim=0).to(counts.device)
    enough = pixels >= SMALLEST_SHARE * pixels.sum()
    known = enough & (pixels > 0) & (labelled > 0) & (predicted > 0)
    wrong_pixels = torch.where(known, (1 - precision) * pixels, 0)
    spread = target['soft_confusion'].clone().fill_diagonal_(0)
    total = spread.sum(dim=1, keepdim=True)
    # A class that is certain everywhere spreads nothing.
    shares = torch.where(total > 0, spread / total, 0)
    missed = wrong_pixels @ shares
    iou = 100 * precision * pixels / (pixels + missed)
    nan = torch.full_like(precision, math.nan)
    return AccuracyEstimate(
        torch.where(known, precision, nan),
        torch.where(known, iou, nan),
        pixels,
    )


def difference_of_confidences(
    target: LabelFreeState, source: SourceState
) -> float:
    """Accuracy expected by the difference of confidences (DoC).

    Args:
        target: Of a network on target images.
        source: Of the same network on labelled source images.

    Returns:
        Accuracy on the source, less what the mean confidence lost, in
        percent.
    """
    seen = source.confidence / source.confusion.sum()
    found = target['soft_confusion'].trace() / target['pixels']
    return source.accuracy - 100 * (float(seen) - float(found))
