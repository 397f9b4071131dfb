# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What all rules have in common that select pseudo-labels."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from torch import Tensor

from .histogram import ScoreHistogram
from .scores import Score


class SelectionRule(ABC):
    """A threshold for each class, from the scores of all its pixels.

    Thresholds are numbers of bins: a pixel with the score ``entropy`` is kept
    if its bin is not above that of its class, one with ``confidence`` if its
    bin is not below. So the same pixels are kept wherever the comparison is
    made, and a threshold lies within one bin of the exact one.
    """

    score: ClassVar[Score]

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
