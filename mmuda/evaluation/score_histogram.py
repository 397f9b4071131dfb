# Copyright (c) mmuda authors.
"""Pixels by class and score: quantiles of a data set in little memory."""

import torch
import torch.distributed as dist
from torch import Tensor

_COUNTED_PIXELS = 2**20


def quantise(scores: Tensor, bins: int) -> Tensor:
    """Number of the bin of each score.

    Args:
        scores: Any shape, in [0, 1].
        bins: Number of bins of equal width.

    Returns:
        int32 of the same shape in [0, bins - 1].
    """
    return (scores * bins).to(torch.int32).clamp(0, bins - 1)


class ScoreHistogram:
    """Pixels of each predicted class and score bin.

    It takes the place of lists of all scores (30 GB for Cityscapes): a
    quantile read from it lies within one bin of the exact one, and integer
    counts can be added up over processes in any order.

    Args:
        num_classes: Number of classes C.
        bins: Bins of equal width over [0, 1].
        device: Where to count.

    Attributes:
        counts: (C, bins) int64.
    """

    def __init__(
        self,
        num_classes: int,
        bins: int = 4096,
        device: torch.device | str = 'cpu',
    ) -> None:
        self.counts = torch.zeros(
            num_classes, bins, dtype=torch.int64, device=device
        )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.counts.shape[0]

    @property
    def bins(self) -> int:
        """Number of bins."""
        return self.counts.shape[1]

    @property
    def pixels(self) -> Tensor:
        """Pixels of each class, (C,) int64."""
        return self.counts.sum(dim=1)

    def update(self, labels: Tensor, score_bins: Tensor) -> None:
        """Count pixels.

        Args:
            labels: Class of each pixel; those of C or more (255) don't count.
            score_bins: Bin of each pixel, same shape.
        """
        # Some at a time: 64-bit numbers of a large image take hundreds of MB.
        parts = zip(
            labels.flatten().split(_COUNTED_PIXELS),
            score_bins.flatten().split(_COUNTED_PIXELS),
            strict=True,
        )
        for label, score in parts:
            counted = label < self.num_classes
            cells = label[counted].long() * self.bins + score[counted].long()
            self.counts += torch.bincount(
                cells, minlength=self.counts.numel()
            ).view_as(self.counts)

    def all_reduce(self) -> None:
        """Add up the counts of all processes."""
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(self.counts)

    def bin_of_rank(self, ranks: Tensor) -> Tensor:
        """Bin of the pixel that is number ``rank`` when sorted by score.

        Args:
            ranks: (C,) int64, counted from 0 upwards within each class.

        Returns:
            (C,) int64; for an empty class the number of bins.
        """
        below = self.counts.cumsum(dim=1)
        return torch.searchsorted(
            below, ranks.to(below).unsqueeze(1), right=True
        ).squeeze(1)
