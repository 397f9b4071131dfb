# Copyright (c) mmuda authors.
"""Rules whose thresholds are known before anything is labelled."""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from mmuda.evaluation.score_histogram import ScoreHistogram
from mmuda.registry import PSEUDO_LABEL_RULES
from mmuda.utils.checks import SHARE, one_of
from mmuda.utils.errors import ConfigError

from .predictor import Score
from .rules import PLACE, SelectionRule, bin_of_value


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
        one_of(get_args(Score)).require(score, f'{PLACE}.score')
        self.score = score
        self.threshold = SHARE.require(threshold, f'{PLACE}.threshold')

    def threshold_bins(self, histogram: ScoreHistogram) -> Tensor:
        """The threshold, for each class."""
        limit = bin_of_value(self.threshold, histogram)
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
                SHARE.require(value, f'{PLACE}.thresholds')
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
