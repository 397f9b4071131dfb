# Copyright (c) mmuda authors.
"""An order of checkpoints from several scores."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

# Scores whose mean rank decides, and what the rank by each weighs: two with
# other weaknesses. The best of those compared on the pools of
# docs/label_free_validation.md; most of a run that is ruined is consistent,
# and outvotes the rest in EnsV.
FUSED: Mapping[str, float] = {'BNM': 2, 'ATC_mIoU': 1}
# A checkpoint that knows less of the source than this part of the best one
# knows stands behind all others.
GUARD = 0.9
Scores = Mapping[str, float]


def descending_ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1 for the highest value; equal ones share their mean.

    Args:
        values: (K,) numbers; what is not finite is the worst.

    Returns:
        (K,) float64.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = np.where(np.isfinite(numbers), numbers, -math.inf)
    above = (numbers[None] > numbers[:, None]).sum(axis=1)
    equal = (numbers[None] == numbers[:, None]).sum(axis=1)
    return above + (equal + 1) / 2


def passes_guard(rows: Sequence[Scores], guard: float = GUARD) -> list[bool]:
    """Which checkpoints still know the source.

    Args:
        rows: Scores of each checkpoint; all pass without ``source_mIoU``.
        guard: Part of the best ``source_mIoU`` that is enough.
    """
    known = [row.get('source_mIoU', math.nan) for row in rows]
    finite = [value for value in known if math.isfinite(value)]
    if not finite:
        return [True] * len(rows)
    return [value >= guard * max(finite) for value in known]


def mean_ranks(
    rows: Sequence[Scores], weights: Mapping[str, float] = FUSED
) -> np.ndarray:
    """Weighted mean of the ranks of each checkpoint by some scores.

    Args:
        rows: Scores of each checkpoint, higher is better.
        weights: Of the scores that count; one that no checkpoint has is left
            out.

    Returns:
        (K,) float64; NaN without any of the scores.
    """
    used = fused_weights(rows, weights)
    if not used:
        return np.full(len(rows), math.nan)
    return np.average(
        [
            descending_ranks([row.get(name, math.nan) for row in rows])
            for name in used
        ],
        axis=0,
        weights=list(used.values()),
    )


def fused_weights(
    rows: Sequence[Scores], weights: Mapping[str, float] = FUSED
) -> dict[str, float]:
    """Weights of the scores that at least one checkpoint has.

    Args:
        rows: Scores of each checkpoint.
        weights: Of all scores that may count.
    """
    return {
        name: weight
        for name, weight in weights.items()
        if any(math.isfinite(row.get(name, math.nan)) for row in rows)
    }


def best_first(rows: Sequence[Scores], guard: float = GUARD) -> list[int]:
    """Indices of checkpoints, the best first.

    Those that pass the guard come first, then the lower mean rank, then the
    order in which they were given.

    Args:
        rows: Scores of each checkpoint.
        guard: As of :func:`passes_guard`.
    """
    ranks, passed = mean_ranks(rows), passes_guard(rows, guard)
    return sorted(range(len(rows)), key=lambda i: (not passed[i], ranks[i], i))
