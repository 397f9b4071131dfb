# Copyright (c) mmuda authors.
"""An order of checkpoints from several scores."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

# Scores whose mean rank decides, each with another weakness. On the pools of
# docs/label_free_validation.md BNM chose better than BNM_r.
FUSED = ('BNM', 'ATC_mIoU', 'consistency', 'EnsV')
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
    rows: Sequence[Scores], names: Sequence[str] = FUSED
) -> np.ndarray:
    """Mean rank of each checkpoint over some scores.

    Args:
        rows: Scores of each checkpoint, higher is better.
        names: Which count; one that no checkpoint has is left out.

    Returns:
        (K,) float64; NaN without any of the scores.
    """
    used = fused_names(rows, names)
    if not used:
        return np.full(len(rows), math.nan)
    return np.mean(
        [
            descending_ranks([row.get(name, math.nan) for row in rows])
            for name in used
        ],
        axis=0,
    )


def fused_names(
    rows: Sequence[Scores], names: Sequence[str] = FUSED
) -> list[str]:
    """Scores that at least one checkpoint has.

    Args:
        rows: Scores of each checkpoint.
        names: Among which.
    """
    return [
        name
        for name in names
        if any(math.isfinite(row.get(name, math.nan)) for row in rows)
    ]


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
