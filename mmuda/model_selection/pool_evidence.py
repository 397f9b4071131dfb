# Copyright (c) mmuda authors.
"""Sums over what a pool of checkpoints predicts, at one resolution."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from mmuda.evaluation.accuracy_estimates import SourceState
from mmuda.evaluation.harm_alarms import Evidence
from mmuda.evaluation.label_free_scores import agreement
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.evaluation.pixel_counts import count_pairs
from mmuda.utils.names import IGNORE_ID


@dataclass
class PoolEvidence:
    """Sums of a pool of K checkpoints.

    What compares checkpoints is at the resolution of the first one, whatever
    the others see; ``states`` and ``sources`` are each at its own.

    Attributes:
        states: Of each on the target.
        sources: Of each on the source; empty without labelled images.
        ensemble: (K, C, C) pixels, rows by the mean softmax of the pool's
            ``voters``, columns by a checkpoint (EnsV).
        compared: (K, K) pixels where two checkpoints see some class.
        equal: (K, K) pixels where they see the same one.
    """

    states: list[LabelFreeState]
    ensemble: Tensor
    compared: Tensor
    equal: Tensor
    sources: list[SourceState] = field(default_factory=list)

    @classmethod
    def empty(cls, count: int, num_classes: int) -> 'PoolEvidence':
        """Sums over nothing, of so many checkpoints and classes."""
        square = num_classes, num_classes
        return cls(
            [LabelFreeState(num_classes) for _ in range(count)],
            torch.zeros(count, *square, dtype=torch.int64),
            torch.zeros(count, count, dtype=torch.int64),
            torch.zeros(count, count, dtype=torch.int64),
        )

    def evidence(self, index: int) -> Evidence:
        """What harm alarms look at, of a checkpoint."""
        return Evidence(
            self.states[index],
            self.sources[index] if self.sources else None,
            agreement(self.ensemble[index]) if len(self.states) > 1 else None,
        )

    def changed(self, first: int, second: int) -> float | None:
        """Share of the pixels where two checkpoints differ, in [0, 1].

        Of the pixels where both see a class; None if there is none, as of a
        network that has diverged.
        """
        pixels = int(self.compared[first, second])
        if not pixels:
            return None
        return 1 - float(self.equal[first, second]) / pixels

    def compare(self, mean: Tensor, labels: Sequence[Tensor]) -> None:
        """Count where checkpoints agree with their mean and with each other.

        Args:
            mean: (C, h, w) of the softmaxes of an image, or their sum.
            labels: (h, w) uint8 classes by each of the K checkpoints, 255
                where a prediction is no number or on padding.
        """
        classes = self.ensemble.shape[1]
        ensemble = mean.max(dim=0).indices.to(torch.uint8)
        # A network that has diverged has no say where the others compare.
        told = [label for label in labels if (label != IGNORE_ID).any()]
        known = torch.full_like(labels[0], bool(told), dtype=torch.bool)
        for label in told:
            known &= label != IGNORE_ID
        for first, label in enumerate(labels):
            pairs = count_pairs(
                ensemble[known], label[known], classes, IGNORE_ID
            )
            self.ensemble[first] += pairs[:-1, :-1]
            for second, other in enumerate(labels):
                both = known & (label != IGNORE_ID) & (other != IGNORE_ID)
                self.compared[first, second] += int(both.sum())
                self.equal[first, second] += int((label == other)[both].sum())


def brought_to(
    p: Tensor, label: Tensor, area: Tensor, grid: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring a prediction to the resolution of another one of its image.

    Probabilities are resized bilinearly (``align_corners=False``), and the
    class is that of the largest. Padding is cut off before.

    Args:
        p: (C, h, w) probabilities, 0 where they are no numbers.
        label: (h, w) their classes, 255 where they do not count.
        area: (h, w) bool, False on padding.
        grid: (H, W) bool, the same of the other prediction.

    Returns:
        (C, H, W) and (H, W); those given if both resolutions are the same.
    """
    if area.shape == grid.shape and bool((area == grid).all()):
        return p, label
    rows, columns = _box(grid)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    # Probabilities, and last whether they count: (1, C + 1, h, w)
    counted = (label != IGNORE_ID).to(p)[None]
    own_rows, own_columns = _box(area)
    maps = torch.cat([p, counted])[None, :, own_rows, own_columns]
    resized = F.interpolate(
        maps, (height, width), mode='bilinear', align_corners=False
    )[0]
    moved = p.new_zeros(len(p), *grid.shape)
    moved[:, rows, columns] = resized[:-1]
    classes = torch.full(
        grid.shape, IGNORE_ID, dtype=torch.uint8, device=p.device
    )
    best = resized[:-1].max(dim=0).indices.to(torch.uint8)
    known = resized[-1] >= 0.5
    classes[rows, columns] = best.masked_fill_(~known, IGNORE_ID)
    return moved, classes


def _box(area: Tensor) -> tuple[slice, slice]:
    """Rows and columns of the image in a map (h, w) of where it is."""
    first, last = area.nonzero().amin(dim=0), area.nonzero().amax(dim=0) + 1
    rows, columns = zip(first.tolist(), last.tolist(), strict=True)
    return slice(*rows), slice(*columns)
