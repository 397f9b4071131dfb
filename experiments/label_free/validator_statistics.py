# Copyright (c) mmuda authors.
"""How well a score that needs no labels orders what labels would order."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Numbers = Sequence[float] | np.ndarray
_TOP = 5


def finite_scores(scores: Numbers) -> np.ndarray:
    """Scores in which what is not finite is the smallest.

    Args:
        scores: (K,).
    """
    values = np.asarray(scores, dtype=np.float64)
    known = values[np.isfinite(values)]
    lowest = known.min() if known.size else 0.0
    return np.where(np.isfinite(values), values, lowest)


def dense_ranks(values: Numbers) -> np.ndarray:
    """Ranks from 1 for the smallest value; equal ones share one.

    Args:
        values: (K,).
    """
    _, inverse = np.unique(np.asarray(values), return_inverse=True)
    return inverse.astype(np.float64) + 1


def _mean_ranks(values: Numbers) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    numbers = np.asarray(values)
    below = (numbers[None] < numbers[:, None]).sum(axis=1)
    equal = (numbers[None] == numbers[:, None]).sum(axis=1)
    return below + (equal + 1) / 2


def weighted_pearson(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray
) -> float:
    """Correlation of weighted pairs.

    Args:
        first: (K,).
        second: (K,).
        weights: (K,), of at least 0.

    Returns:
        In [-1, 1]; NaN if one of both does not vary.
    """
    weights = weights / weights.sum()
    x = first - (weights * first).sum()
    y = second - (weights * second).sum()
    spread = (weights * x * x).sum() * (weights * y * y).sum()
    if spread <= 0:
        return math.nan
    return float((weights * x * y).sum() / math.sqrt(spread))


def weighted_spearman(scores: Numbers, truth: Numbers) -> float:
    """Rank correlation in which the good ones weigh most.

    As of Musgrave et al. (`arXiv:2208.07360
    <https://arxiv.org/abs/2208.07360>`_): dense ranks divided by their
    largest, each pair weighted by the square of the larger rank. So a score
    that puts bad checkpoints on top loses as much as one that overlooks the
    best.

    Args:
        scores: (K,) label-free scores; what is not finite is the smallest.
        truth: (K,) mIoU by labels.

    Returns:
        In [-1, 1]; NaN if one of both does not vary.
    """
    x, y = dense_ranks(finite_scores(scores)), dense_ranks(truth)
    x, y = x / x.max(), y / y.max()
    return weighted_pearson(x, y, np.maximum(x, y) ** 2)


def spearman(scores: Numbers, truth: Numbers) -> float:
    """Spearman's rank correlation.

    Args:
        scores: As of :func:`weighted_spearman`.
        truth: As of :func:`weighted_spearman`.

    Returns:
        In [-1, 1]; NaN if one of both does not vary.
    """
    x, y = _mean_ranks(finite_scores(scores)), _mean_ranks(truth)
    return weighted_pearson(x, y, np.ones(len(x)))


@dataclass(frozen=True)
class Choice:
    """What comes of choosing by a score.

    Attributes:
        regret: mIoU of the best less that of the chosen one.
        is_worst: Whether the chosen one is the worst of several.
        top: Mean mIoU of the five with the highest scores.
    """

    regret: float
    is_worst: bool
    top: float


def choose(scores: Numbers, truth: Numbers) -> Choice:
    """Choose the highest score.

    Args:
        scores: (K,); what is not finite is the smallest. Of equal ones the
            mean counts, and the worst for ``is_worst``.
        truth: (K,) mIoU by labels.
    """
    values, real = finite_scores(scores), np.asarray(truth, dtype=np.float64)
    chosen = real[values == values.max()]
    order = np.argsort(-values, kind='stable')[:_TOP]
    return Choice(
        regret=float(real.max() - chosen.mean()),
        is_worst=bool(chosen.min() == real.min() < real.max()),
        top=float(real[order].mean()),
    )


def bootstrap_interval(
    values: Numbers, samples: int = 2000, share: float = 0.95
) -> tuple[float, float]:
    """Where the mean of independent values lies, by resampling them.

    Args:
        values: (G,), one of each run or group; NaN is left out.
        samples: How often they are drawn anew, by a generator of its own.
        share: Of the means that lies inside.

    Returns:
        Lower and upper end; NaN of fewer than two values, which tell nothing
        of how far others lie.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if numbers.size < 2:
        return math.nan, math.nan
    size = (samples, numbers.size)
    chosen = np.random.default_rng(0).integers(0, numbers.size, size)
    ends = ((1 - share) / 2, (1 + share) / 2)
    lower, upper = np.quantile(numbers[chosen].mean(axis=1), ends)
    return float(lower), float(upper)


def harm_values(values: Numbers) -> np.ndarray:
    """Values in which what is unknown is the smallest, and infinity remains.

    Args:
        values: (K,), higher for more harm; infinite of a network that
            predicts no numbers, which nothing exceeds in harm.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    lowest = known.min() if known.size else 0.0
    return np.where(np.isnan(numbers), lowest, numbers)


def auroc(values: Numbers, labels: Sequence[bool]) -> float:
    """Probability that a harmful one has a higher value than a good one.

    Args:
        values: (K,), higher for more harm; equal ones count half.
        labels: Which are harmful.

    Returns:
        In [0, 1]; NaN if all or none are.
    """
    numbers, bad = harm_values(values), np.asarray(labels, dtype=bool)
    harmful, others = numbers[bad][:, None], numbers[~bad][None]
    wins = (harmful > others) + 0.5 * (harmful == others)
    return float(wins.mean()) if wins.size else math.nan


def best_threshold(values: Numbers, labels: Sequence[bool]) -> float:
    """Value from which on to warn, by Youden's index.

    Args:
        values: (K,), higher for more harm.
        labels: Which are harmful.

    Returns:
        The threshold with the largest recall less false alarms; of several
        the highest. NaN if all or none are harmful.
    """
    numbers, bad = harm_values(values), np.asarray(labels, dtype=bool)
    if bad.all() or not bad.any():
        return math.nan
    limits = np.unique(numbers)[::-1]
    gain = [
        (numbers[bad] >= limit).mean() - (numbers[~bad] >= limit).mean()
        for limit in limits
    ]
    return float(limits[int(np.argmax(gain))])


@dataclass(frozen=True)
class Detection:
    """How well harm is found in one pool.

    Attributes:
        auroc: Within the pool.
        threshold: Taken from the other pools.
        precision: Share of the warnings that are right; NaN without any.
        recall: Share of the harmful ones that are warned of; NaN without any.
        count: Adapted checkpoints of the pool.
        harmful: How many of them are harmful.
    """

    auroc: float
    threshold: float
    precision: float
    recall: float
    count: int
    harmful: int


def detect_harm(
    values: Mapping[str, Numbers],
    labels: Mapping[str, Sequence[bool]],
    threshold: float | None = None,
) -> dict[str, Detection]:
    """Warn in each pool by a threshold from all other pools.

    Args:
        values: By pool, higher for more harm.
        labels: By pool, which are harmful.
        threshold: One that is fixed beforehand, in place of those of others.

    Returns:
        By pool; precision and recall are NaN where the other pools give no
        threshold.
    """
    found = {}
    for pool, numbers in values.items():
        limit = threshold
        if limit is None:
            others = [name for name in values if name != pool]
            limit = best_threshold(
                np.concatenate([harm_values(values[n]) for n in others])
                if others
                else np.zeros(0),
                [label for name in others for label in labels[name]],
            )
        found[pool] = _detection(numbers, labels[pool], limit)
    return found


def _detection(
    values: Numbers, labels: Sequence[bool], limit: float
) -> Detection:
    bad = np.asarray(labels, dtype=bool)
    warned = harm_values(values) >= limit
    precision = recall = math.nan
    if not math.isnan(limit):
        both = float((warned & bad).sum())
        precision = both / warned.sum() if warned.any() else math.nan
        recall = both / bad.sum() if bad.any() else math.nan
    return Detection(
        auroc(values, labels),
        limit,
        float(precision),
        float(recall),
        len(bad),
        int(bad.sum()),
    )
