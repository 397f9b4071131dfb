# Copyright (c) mmuda authors.
"""Results of an experiment as Markdown."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from experiments.label_free.experiment import HARM, Record
from experiments.label_free.experiment_groups import (
    METHOD,
    POOL,
    RUN,
    Group,
    quality_of,
    score_names,
)
from experiments.label_free.validator_statistics import Detection

_COLUMNS = (
    *('score', 'groups', 'weighted Spearman', 'Spearman', 'regret'),
    *('95 %', 'largest regret', 'worst chosen', 'mIoU of the top five'),
)
_HARM_COLUMNS = ('sign', 'AUROC', 'precision', 'recall', 'pools')


def report_text(
    records: Sequence[Record],
    groups: Sequence[Group],
    harm: Mapping[str, Mapping[str, Detection]],
    notes: Sequence[str],
) -> str:
    """All tables of an experiment.

    Args:
        records: All checkpoints.
        groups: All groups.
        harm: By sign and pool.
        notes: What could not be done.
    """
    lines = ['# Label-free scores against labels', '', *_overview(records)]
    for kind in (RUN, METHOD, POOL):
        part = [group for group in groups if group.kind == kind]
        if part:
            lines += ['', f'## Choosing among {kind}', '']
            lines += _quality_table(part)
    harmful = [r.harmful for r in records if r.harmful is not None]
    if harmful:
        lines += ['', '## Finding harm', '']
        lines += [
            f'{sum(harmful)} of {len(harmful)} adapted checkpoints are more '
            f'than {HARM} below the source-only of their pool. Thresholds of '
            'scores are those of the other pools; means over pools.',
            '',
            *_harm_table(harm),
        ]
    if notes:
        lines += ['', '## Notes', '', *(f'- {note}' for note in notes)]
    return '\n'.join(lines) + '\n'


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first row is its head."""
    head, *rest = rows
    rule = ['---'] * len(head)
    return [f'| {" | ".join(cells)} |' for cells in (head, rule, *rest)]


def _overview(records: Sequence[Record]) -> Iterator[str]:
    rows = [['pool', 'run', 'method', 'seed', 'checkpoints', 'mIoU', 'best']]
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        key = record.run.pool, record.run.name
        runs.setdefault(key, []).append(record)
    for (pool, name), part in runs.items():
        truth = [record.truth for record in part]
        run = part[0].run
        cells = [pool, name, run.method, str(run.seed), str(len(part))]
        rows.append([*cells, f'{truth[-1]:.1f}', f'{max(truth):.1f}'])
    yield from markdown(rows)


def _quality_table(groups: Sequence[Group]) -> list[str]:
    rows = [list(_COLUMNS)]
    for name in score_names(groups):
        found = quality_of(groups, name)
        if found is None:
            continue
        rows.append(
            [
                name,
                str(found.groups),
                _text(found.weighted_spearman),
                _text(found.spearman),
                _text(found.regret),
                _interval(found.interval),
                _text(found.largest_regret),
                str(found.worst_hits),
                _text(found.top),
            ]
        )
    return markdown(rows)


def _harm_table(harm: Mapping[str, Mapping[str, Detection]]) -> list[str]:
    rows = [list(_HARM_COLUMNS)]
    for name, by_pool in harm.items():
        found = list(by_pool.values())
        rows.append(
            [
                name,
                _text(_mean([d.auroc for d in found])),
                _text(_mean([d.precision for d in found])),
                _text(_mean([d.recall for d in found])),
                str(len(found)),
            ]
        )
    return markdown(rows)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _interval(ends: tuple[float, float]) -> str:
    known = not math.isnan(ends[0])
    return ' to '.join(map(_text, ends)) if known else '-'


def _text(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.2f}'
