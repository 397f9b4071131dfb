# Copyright (c) mmuda authors.
"""How well each score chooses among checkpoints, runs and methods."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np

from experiments.label_free.experiment import (
    Record,
    group_scores,
    last_of_pools,
)
from experiments.label_free.validator_statistics import (
    Detection,
    bootstrap_interval,
    choose,
    detect_harm,
    spearman,
    weighted_spearman,
)
from mmuda.evaluation.harm_alarms import DIVERGED
from mmuda.model_selection.score_ranks import best_first

# What the tool for checkpoints sorts by: the guard, then mean ranks.
FUSED_ORDER = 'select_checkpoint'
RUN, METHOD, POOL = 'checkpoints of a run', 'runs of a method', 'methods'
ALARMS = 'alarms'
_ALARM_NAMES = (
    *('collapse', 'takeover', 'overconfident', 'fallen BNM'),
    *('forgetting', 'unstable labels'),
)
# Looked for among last checkpoints alone.
_OF_LAST = 'against the pool'


@dataclass(frozen=True)
class Group:
    """Checkpoints among which one is chosen.

    Attributes:
        kind: ``RUN``, ``METHOD`` or ``POOL``.
        name: Of the run, the method or the pool.
        truth: mIoU of each.
        rows: Label-free scores of each, higher is better.
    """

    kind: str
    name: str
    truth: list[float]
    rows: list[dict[str, float]]


@dataclass(frozen=True)
class Quality:
    """How well a score does over all groups of a kind.

    Attributes:
        groups: Number of groups that have the score.
        weighted_spearman: Mean over the groups where it is defined.
        spearman: The same.
        regret: Mean, in points of mIoU.
        interval: In which that mean lies with 95 %, by drawing groups anew.
        largest_regret: Of all groups.
        worst_hits: Groups whose worst checkpoint is chosen.
        top: Mean mIoU of the five with the highest scores.
    """

    groups: int
    weighted_spearman: float
    spearman: float
    regret: float
    interval: tuple[float, float]
    largest_regret: float
    worst_hits: int
    top: float


def groups_of(records: Sequence[Record]) -> Iterator[Group]:
    """Group checkpoints by run, and last ones by method and by pool.

    Args:
        records: All records, by pool and run.
    """
    by_pool = {part[0].run.pool: part for part in last_of_pools(records)}
    for pool, of_pool in groupby(records, key=attrgetter('run.pool')):
        for run, found in groupby(of_pool, key=attrgetter('run.name')):
            own = list(found)
            if len(own) > 1:
                agreements = [record.own_pool for record in own]
                yield group_of(RUN, f'{pool}/{run}', own, agreements)
        yield from _groups_of_last(pool, by_pool.get(pool, []))


def _groups_of_last(pool: str, last: Sequence[Record]) -> Iterator[Group]:
    """Group last checkpoints, all of them and those of each method."""
    methods = dict.fromkeys(record.run.method for record in last)
    groups = [(POOL, pool, last)]
    for method in methods:
        chosen = [record for record in last if record.run.method == method]
        groups.append((METHOD, f'{pool}/{method}', chosen))
    for kind, name, part in groups:
        if len(part) > 1:
            yield group_of(kind, name, part, [r.across for r in part])


def group_of(
    kind: str,
    name: str,
    records: Sequence[Record],
    agreements: Sequence[float | None],
) -> Group:
    """Score the checkpoints of a group.

    Args:
        kind: Of the group.
        name: Of the group.
        records: Of the checkpoints.
        agreements: With the mean of the group's pool.
    """
    rows = group_scores(records, agreements)
    for place, index in enumerate(best_first(rows)):
        rows[index][FUSED_ORDER] = float(-place)
    return Group(kind, name, [r.truth for r in records], rows)


def score_names(groups: Sequence[Group]) -> list[str]:
    """Scores that some group has, the order of all first."""
    names = dict.fromkeys(
        name for group in groups for row in group.rows for name in row
    )
    names.pop(FUSED_ORDER, None)
    return [FUSED_ORDER, *names]


def quality_of(groups: Sequence[Group], name: str) -> Quality | None:
    """How well a score does.

    Args:
        groups: Of one kind.
        name: Of the score.

    Returns:
        None if no group has it.
    """
    used = []
    for group in groups:
        scores = [row.get(name, math.nan) for row in group.rows]
        if any(map(math.isfinite, scores)):
            used.append((scores, group.truth))
    if not used:
        return None
    choices = [choose(*pair) for pair in used]
    return Quality(
        len(used),
        _mean([weighted_spearman(*pair) for pair in used]),
        _mean([spearman(*pair) for pair in used]),
        _mean([choice.regret for choice in choices]),
        bootstrap_interval([choice.regret for choice in choices]),
        max(choice.regret for choice in choices),
        sum(choice.is_worst for choice in choices),
        _mean([choice.top for choice in choices]),
    )


def harm_detections(
    records: Sequence[Record],
) -> dict[str, dict[str, Detection]]:
    """How well scores and alarms tell harmful checkpoints.

    The value of a score is what source-only has more of it. Thresholds are
    those of the other pools; alarms have theirs beforehand.

    Args:
        records: All records.

    Returns:
        By score or alarm, and by pool.
    """
    judged = [r for r in records if r.harmful is not None]
    by_pool, labels = _by_pool(judged)
    found: dict[str, dict[str, Detection]] = {}
    counts = {
        pool: [_alarms_of(record) for record in part]
        for pool, part in by_pool.items()
    }
    found[f'two {ALARMS}'] = detect_harm(counts, labels, threshold=2.0)
    for alarm in _ALARM_NAMES:
        found[alarm] = _alarm_detections(alarm, judged)
    with_pool = [r for r in judged if r.across is not None]
    if with_pool:
        found[_OF_LAST] = _alarm_detections(_OF_LAST, with_pool)
    losses = {
        pool: [record.losses for record in part]
        for pool, part in by_pool.items()
    }
    names = dict.fromkeys(
        name for part in losses.values() for row in part for name in row
    )
    for name in names:
        values = {
            pool: [row.get(name, math.nan) for row in part]
            for pool, part in losses.items()
        }
        found[name] = detect_harm(values, labels)
    return found


def _by_pool(
    judged: Sequence[Record],
) -> tuple[dict[str, list[Record]], dict[str, list[bool]]]:
    """Records of each pool, and whether each is harmful."""
    records: dict[str, list[Record]] = {}
    for record in judged:
        records.setdefault(record.run.pool, []).append(record)
    return records, {
        pool: [bool(record.harmful) for record in part]
        for pool, part in records.items()
    }


def _alarm_detections(
    alarm: str, judged: Sequence[Record]
) -> dict[str, Detection]:
    by_pool, labels = _by_pool(judged)
    values = {
        pool: [float(alarm in (record.alarms or ())) for record in part]
        for pool, part in by_pool.items()
    }
    return detect_harm(values, labels, threshold=1.0)


def _alarms_of(record: Record) -> float:
    """Number of alarms; a network of no numbers has one that is enough."""
    alarms = record.alarms or ()
    return math.inf if DIVERGED in alarms else float(len(alarms))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
