# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Which pseudo-labels are sure enough to be trained on."""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from mmuda.registry import PSEUDO_LABEL_RULES
from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError

from .histogram import ScoreHistogram
from .scores import Score, quantise
from .selection_rule import SelectionRule


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
        self.quantile = _fraction('quantile', quantile)
        self.floor = _fraction('floor', floor)

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
        self.quantile = _fraction('quantile', quantile)
        self.cap = _fraction('cap', cap)

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
        several = isinstance(portion, (list, tuple))
        for value in portion if several else [portion]:
            _fraction('portion', value)
        if _fraction('low', low) > _fraction('high', high):
            raise ConfigError(
                f'pseudo_labels.rule: low={low} is above high={high}'
            )
        self.portion = list(portion) if several else portion
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
        if score not in get_args(Score):
            raise ConfigError(
                f'pseudo_labels.rule.score must be one of {get_args(Score)}, '
                f"not '{score}'"
            )
        self.score = score
        self.threshold = _fraction('threshold', threshold)

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
                _fraction('thresholds', value)
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


def _fraction(name: str, value: float) -> float:
    if not SHARE.fits(value):
        raise ConfigError(
            f'pseudo_labels.rule: {name}={value!r} must be a number in [0, 1]'
        )
    return value


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
