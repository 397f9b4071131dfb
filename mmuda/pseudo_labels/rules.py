# Copyright (c) mmuda authors.
"""Which pseudo-labels are sure enough to be trained on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mmuda.evaluation.score_histogram import ScoreHistogram, quantise
from mmuda.registry import PSEUDO_LABEL_RULES
from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError

from .predictor import Score

PLACE = 'pseudo_labels.rule'
# One for each class in order, None where it is not known; in a config also by
# class name, or a file accuracy.json that labelling wrote.
Precision = Sequence[float | None] | Mapping[str, float | None] | str | None


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
    et al., ESL, CVPR workshops 2020, section 3 (released configuration). The
    last two options are not ESL's: half of a class that the network does not
    know is mistakes.

    Args:
        quantile: Part of a class's pixels below the threshold.
        floor: Normalised entropy that is always low enough.
        ceiling: Highest threshold; a class that is less sure keeps fewer, as
            with the limits of :class:`ClassBalancedPortion`.
        precision: Of the labels of each class, by which ``quantile`` is
            multiplied; see :func:`class_shares`.

    Raises:
        ConfigError: A value lies outside [0, 1], or ``floor`` above
            ``ceiling``.
    """

    score = 'entropy'

    def __init__(
        self,
        quantile: float = 0.5,
        floor: float = 0.1,
        ceiling: float = 1.0,
        precision: Precision = None,
    ) -> None:
        self.quantile = SHARE.require(quantile, f'{PLACE}.quantile')
        self.floor = SHARE.require(floor, f'{PLACE}.floor')
        self.ceiling = SHARE.require(ceiling, f'{PLACE}.ceiling')
        require_order('floor', floor, 'ceiling', ceiling)
        self.precision = checked_precision(precision)

    def check(self, num_classes: int) -> None:
        """Refuse precisions of other classes."""
        _check_number('precision', self.precision, num_classes)

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Quantile within floor and ceiling; the floor for an empty class."""
        self.check(histogram.num_classes)
        low, high = (
            bin_of_value(v, histogram) for v in (self.floor, self.ceiling)
        )
        shares = class_shares(self.quantile, self.precision, histogram)
        middle = histogram.bin_of_rank(_rank(histogram, shares))
        # No score lies below the first bin.
        middle = middle.where(shares > 0, -1).clamp(low, high)
        return _where_filled(histogram, middle, low)


@PSEUDO_LABEL_RULES.register_module()
class ConfidenceQuantile(SelectionRule):
    """SSL, ESL's baseline: keep p >= min(quantile of the class, cap).

    Source: Li et al., BDL, CVPR 2019, as compared to in ESL. The last two
    options are not theirs.

    Args:
        quantile: Part of a class's pixels below the threshold.
        cap: Probability that is always high enough.
        low: Lowest threshold; a class that is less sure keeps fewer.
        precision: Of the labels of each class, by which the kept part, 1 -
            ``quantile``, is multiplied; see :func:`class_shares`.

    Raises:
        ConfigError: A value lies outside [0, 1], or ``low`` above ``cap``.
    """

    score = 'confidence'

    def __init__(
        self,
        quantile: float = 0.5,
        cap: float = 0.9,
        low: float = 0.0,
        precision: Precision = None,
    ) -> None:
        self.quantile = SHARE.require(quantile, f'{PLACE}.quantile')
        self.cap = SHARE.require(cap, f'{PLACE}.cap')
        self.low = SHARE.require(low, f'{PLACE}.low')
        require_order('low', low, 'cap', cap)
        self.precision = checked_precision(precision)

    def check(self, num_classes: int) -> None:
        """Refuse precisions of other classes."""
        _check_number('precision', self.precision, num_classes)

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Quantile within low and cap; the cap for an empty class."""
        self.check(histogram.num_classes)
        low, cap = (bin_of_value(v, histogram) for v in (self.low, self.cap))
        shares = class_shares(1 - self.quantile, self.precision, histogram)
        ranks = _rank(histogram, 1 - shares)
        if self.precision is None:
            ranks = _rank(histogram, self.quantile)
        middle = histogram.bin_of_rank(ranks)
        # No score reaches the number of bins.
        middle = middle.where(shares > 0, histogram.bins).clamp(low, cap)
        return _where_filled(histogram, middle, cap)


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
            SHARE.require(value, f'{PLACE}.portion')
        SHARE.require(low, f'{PLACE}.low')
        SHARE.require(high, f'{PLACE}.high')
        require_order('low', low, 'high', high)
        self.low, self.high = low, high

    def check(self, num_classes: int) -> None:
        """Refuse portions of another number of classes."""
        if isinstance(self.portion, list):
            _check_number('portion', self.portion, num_classes)

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """Quantile 1 - portion within the limits; low for an empty class."""
        self.check(histogram.num_classes)
        low, high = (bin_of_value(v, histogram) for v in (self.low, self.high))
        portion = torch.as_tensor(self.portion, dtype=torch.float64)
        ranks = _rank(histogram, 1 - portion.to(histogram.counts.device))
        middle = histogram.bin_of_rank(ranks).clamp(low, high)
        return _where_filled(histogram, middle, low)


def class_shares(
    share: float, precision: Sequence[float] | None, histogram: ScoreHistogram
) -> Tensor:
    """Part of each class's pixels to keep, less where labels are often wrong.

    If a class's labels were right in the order of their scores, as many
    of them would be kept as are right, times ``share``. The precision is
    measured where there are labels, on source images that training has not
    seen; it is that of the target as far as the order of classes is.

    Args:
        share: Part of a class whose labels are all right.
        precision: Of each class, None for 1.
        histogram: Scores of all pixels of the set.

    Returns:
        (C,) float64.
    """
    values = precision
    if values is None:
        values = [1.0] * histogram.num_classes
    device = histogram.counts.device
    return share * torch.tensor(values, dtype=torch.float64, device=device)


def _check_number(key: str, values: Sequence | None, num_classes: int) -> None:
    if values is not None and len(values) != num_classes:
        raise ConfigError(
            f'{PLACE}: {key} has {len(values)} values for {num_classes} '
            'classes'
        )


def bin_of_value(value: float, histogram: ScoreHistogram) -> int:
    """Bin in which a score in [0, 1] lies."""
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


def checked_precision(precision: Precision) -> list[float] | None:
    """Precision of each class; one that is not known is 0.

    Args:
        precision: As of a rule.

    Raises:
        ConfigError: It is no list of numbers in [0, 1].
    """
    if precision is None:
        return None
    if not isinstance(precision, list | tuple):
        raise ConfigError(
            f'{PLACE}.precision={precision!r}: must be a list with a number '
            'for each class, or in a config a dict by class name or a file '
            'accuracy.json'
        )
    known = [0.0 if value is None else value for value in precision]
    return [SHARE.require(value, f'{PLACE}.precision') for value in known]


def require_order(low: str, least: float, high: str, most: float) -> None:
    """Refuse limits that are in no order.

    Args:
        low: Name of the lower one.
        least: Its value.
        high: Name of the upper one.
        most: Its value.

    Raises:
        ConfigError: The lower one is above the other.
    """
    if least > most:
        raise ConfigError(f'{PLACE}: {low}={least} is above {high}={most}')
