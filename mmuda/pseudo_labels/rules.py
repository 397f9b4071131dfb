# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Which pseudo-labels are sure enough to be trained on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast, get_args

import numpy as np
import torch
from torch import Tensor

from mmuda.evaluation.score_histogram import ScoreHistogram, quantise
from mmuda.registry import PSEUDO_LABEL_RULES
from mmuda.utils.checks import SHARE, one_of
from mmuda.utils.errors import ConfigError

from .predictor import Score

_PLACE = 'pseudo_labels.rule'


class SelectionRule(ABC):
    """A threshold for each class, from the scores of all its pixels.

    Thresholds are numbers of bins: a pixel with the score ``entropy`` is kept
    if its bin is not above that of its class, one with ``confidence`` if its
    bin is not below. So the same pixels are kept wherever the comparison is
    made, and a threshold lies within one bin of the exact one.
    """

    score: Score

    @abstractmethod
    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Threshold of each class.

        Args:
            histogram: Scores of all pixels of the set.

        Returns:
            (C,) int64 numbers of bins.
        """

    def check(self, num_classes: int) -> None:
        """Refuse a number of classes that the rule was not written for.

        Args:
            num_classes: Classes of the data set.

        Raises:
            ConfigError: The rule is for another number.
        """
        del num_classes  # most rules are for any number

    def keep(
        self,
        labels: np.ndarray,
        score_bins: np.ndarray,
        threshold_bins: np.ndarray,
    ) -> np.ndarray:
        """Which pixels are sure enough.

        Args:
            labels: (..., H, W) uint8 classes, 255 for none.
            score_bins: Bin of each pixel's score, same shape.
            threshold_bins: (C,) from :meth:`threshold_bins`.

        Returns:
            Mask of the same shape; never true where the label is 255.
        """
        low = self.score == 'entropy'
        # For labels beyond the classes no score is good enough.
        limits = np.full(256, -1 if low else 2**16, dtype=np.int32)
        limits[: len(threshold_bins)] = threshold_bins
        limit = limits[labels]
        return score_bins <= limit if low else score_bins >= limit

    def threshold_values(
        self, threshold_bins: np.ndarray, bins: int
    ) -> list[float]:
        """Thresholds as scores: below (entropy) or from there on, kept.

        Args:
            threshold_bins: (C,) numbers of bins.
            bins: Number of bins.
        """
        edge = threshold_bins + (1 if self.score == 'entropy' else 0)
        return [min(max(value / bins, 0.0), 1.0) for value in edge.tolist()]


@PSEUDO_LABEL_RULES.register_module()
class EntropyQuantile(SelectionRule):
    """ESL: keep E <= max(quantile of the class, floor).

    Half of each class is kept, and more of one that is sure. Source: Saporta
    et al., ESL, CVPR workshops 2020, section 3 (released configuration).

    Args:
        quantile: Part of a class's pixels below the threshold.
        floor: Normalised entropy that is always low enough.

    Raises:
        ConfigError: A value lies outside [0, 1].
    """

    score = 'entropy'

    def __init__(self, quantile: float = 0.5, floor: float = 0.1) -> None:
        self.quantile = SHARE.require(quantile, f'{_PLACE}.quantile')
        self.floor = SHARE.require(floor, f'{_PLACE}.floor')

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Larger of quantile and floor; the floor for an empty class."""
        floor = _limit(self.floor, histogram)
        middle = histogram.bin_of_rank(_rank(histogram, self.quantile))
        return _where_filled(histogram, middle.clamp(min=floor), floor)


@PSEUDO_LABEL_RULES.register_module()
class ConfidenceQuantile(SelectionRule):
    """SSL, ESL's baseline: keep p >= min(quantile of the class, cap).

    Source: Li et al., BDL, CVPR 2019, as compared to in ESL.

    Args:
        quantile: Part of a class's pixels below the threshold.
        cap: Probability that is always high enough.

    Raises:
        ConfigError: A value lies outside [0, 1].
    """

    score = 'confidence'

    def __init__(self, quantile: float = 0.5, cap: float = 0.9) -> None:
        self.quantile = SHARE.require(quantile, f'{_PLACE}.quantile')
        self.cap = SHARE.require(cap, f'{_PLACE}.cap')

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Smaller of quantile and cap; the cap for an empty class."""
        cap = _limit(self.cap, histogram)
        middle = histogram.bin_of_rank(_rank(histogram, self.quantile))
        return _where_filled(histogram, middle.clamp(max=cap), cap)


@PSEUDO_LABEL_RULES.register_module()
class ClassBalancedPortion(SelectionRule):
    """Keep the surest portion of each class, the threshold within limits.

    The class-balanced self-training of Zou et al., CBST, ECCV 2018; with the
    limits it is the selection of the co-training procedure ("MPT").

    Args:
        portion: Part of each class's pixels to keep, one number or one for
            each class.
        low: Lowest threshold; a class that is less sure keeps fewer.
        high: Highest threshold; a class that is surer keeps more.

    Raises:
        ConfigError: A value lies outside [0, 1], ``low`` above ``high``, or
            the number of portions is not that of the classes.
    """

    score = 'confidence'

    def __init__(
        self,
        portion: float | Sequence[float] = 0.5,
        low: float = 0.0,
        high: float = 1.0,
    ) -> None:
        self.portion: float | list[float]
        if isinstance(portion, list | tuple):
            self.portion = list(portion)
            values = self.portion
        else:
            # Other sequences are refused below.
            self.portion = cast(float, portion)
            values = [self.portion]
        for value in values:
            SHARE.require(value, f'{_PLACE}.portion')
        SHARE.require(low, f'{_PLACE}.low')
        SHARE.require(high, f'{_PLACE}.high')
        if low > high:
            raise ConfigError(f'{_PLACE}: low={low} is above high={high}')
        self.low, self.high = low, high

    def check(self, num_classes: int) -> None:
        """Refuse portions of another number of classes."""
        if isinstance(self.portion, list) and len(self.portion) != num_classes:
            raise ConfigError(
                f'pseudo_labels.rule: portion has {len(self.portion)} values '
                f'for {num_classes} classes'
            )

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Quantile 1 - portion within the limits; low for an empty class."""
        self.check(histogram.num_classes)
        low, high = (_limit(v, histogram) for v in (self.low, self.high))
        portion = torch.as_tensor(self.portion, dtype=torch.float64)
        ranks = _rank(histogram, 1 - portion.to(histogram.counts.device))
        middle = histogram.bin_of_rank(ranks).clamp(low, high)
        return _where_filled(histogram, middle, low)


@PSEUDO_LABEL_RULES.register_module()
class GlobalThreshold(SelectionRule):
    """One threshold for all classes.

    Args:
        threshold: Keep confidences from here on, or entropies up to here.
        score: ``confidence`` or ``entropy``.

    Raises:
        ConfigError: The threshold lies outside [0, 1] or the score is unknown.
    """

    def __init__(self, threshold: float, score: Score = 'confidence') -> None:
        one_of(get_args(Score)).require(score, f'{_PLACE}.score')
        self.score = score
        self.threshold = SHARE.require(threshold, f'{_PLACE}.threshold')

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """The threshold, for each class."""
        limit = _limit(self.threshold, histogram)
        return torch.full_like(histogram.pixels, limit)


@PSEUDO_LABEL_RULES.register_module()
class KeepAll(GlobalThreshold):
    """Every label is kept, as CoaST and MLCL weight them instead."""

    def __init__(self) -> None:
        super().__init__(0.0)


@PSEUDO_LABEL_RULES.register_module()
class FixedThresholds(SelectionRule):
    """Thresholds that are known before, one for each class.

    Args:
        thresholds: Confidence of each class from which on it is kept, or None
            for a class that is not kept at all. In a config also a dict by
            class name.

    Raises:
        ConfigError: A threshold lies outside [0, 1].
    """

    score = 'confidence'

    def __init__(self, thresholds: Sequence[float | None]) -> None:
        if not isinstance(thresholds, (list, tuple)):
            raise ConfigError(
                f'pseudo_labels.rule: thresholds={thresholds!r} must be a '
                'list with a number, or None, for each class'
            )
        for value in thresholds:
            if value is not None:
                SHARE.require(value, f'{_PLACE}.thresholds')
        self.thresholds = list(thresholds)

    def check(self, num_classes: int) -> None:
        """Refuse thresholds of other classes."""
        if len(self.thresholds) != num_classes:
            raise ConfigError(
                f'pseudo_labels.rule: {len(self.thresholds)} thresholds for '
                f'{num_classes} classes'
            )

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """The thresholds, whatever the scores."""
        self.check(histogram.num_classes)
        # No score reaches the number of bins. What a manifest says, a bin by
        # the number of bins, is that bin again in spite of rounding.
        limits = [
            histogram.bins
            if value is None
            else min(int(value * histogram.bins + 1e-6), histogram.bins - 1)
            for value in self.thresholds
        ]
        return torch.tensor(limits, device=histogram.counts.device)


def _limit(value: float, histogram: ScoreHistogram) -> int:
    exact = torch.tensor(value, dtype=torch.float64)
    return int(quantise(exact, histogram.bins))


def _rank(histogram: ScoreHistogram, fraction: float | Tensor) -> Tensor:
    # Published codes take element round(fraction * n) of the sorted scores.
    ranks = (histogram.pixels.double() * fraction).round().long()
    return ranks.clamp(max=histogram.pixels - 1)


def _where_filled(
    histogram: ScoreHistogram, values: Tensor, default: int
) -> Tensor:
    return torch.where(histogram.pixels > 0, values, default)
