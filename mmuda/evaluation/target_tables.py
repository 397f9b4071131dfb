# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Tables of the results on several targets."""

import math
from collections.abc import Collection, Mapping

from prettytable import PrettyTable

IOU = 'IoU.'
NOT_EVALUATED = 'not evaluated'
_COLUMNS = ('mIoU', 'mAcc', 'aAcc')
_MISSING = '-'
Metrics = Mapping[str, float]


def class_table(results: Mapping[str, Metrics]) -> str:
    """Lay out the IoU of each class, a column for each target.

    Args:
        results: Metrics by target; ``IoU.<class>`` in percent are laid out.

    Returns:
        The table; empty if no target has such metrics.
    """
    names = [name for name in _names(results) if name.startswith(IOU)]
    if not names:
        return ''
    table = PrettyTable(['IoU', *results], align='r')
    table.align['IoU'] = 'l'
    for name in names:
        values = [_text(metrics, name) for metrics in results.values()]
        table.add_row([name.removeprefix(IOU), *values])
    return table.get_string()


def summary_table(
    results: Mapping[str, Metrics],
    mean: Metrics,
    left_out: Collection[str] = (),
) -> str:
    """Lay out what is reported of a model, a row for each target.

    Args:
        results: Metrics by target, in percent; those of classes are left out.
        mean: Mean of each metric over the targets.
        left_out: Targets that were not evaluated.

    Returns:
        The table: mIoU, mAcc, aAcc and whatever else the targets have.
    """
    names = [name for name in _names(results) if not name.startswith(IOU)]
    columns = [name for name in _COLUMNS if name in names]
    columns += [name for name in names if name not in _COLUMNS]
    table = PrettyTable(['target', *columns], align='r')
    table.align['target'] = 'l'
    for target, metrics in results.items():
        table.add_row([target, *(_text(metrics, name) for name in columns)])
    for target in left_out:
        rest = [_MISSING] * (len(columns) - 1)
        table.add_row([target, NOT_EVALUATED, *rest][: 1 + len(columns)])
    title = f'mean of {len(results)}' if left_out else 'mean'
    table.add_row([title, *(_text(mean, name) for name in columns)])
    return table.get_string()


def _names(results: Mapping[str, Metrics]) -> list[str]:
    """Return the metrics of all targets, each once."""
    return list(
        dict.fromkeys(name for metrics in results.values() for name in metrics)
    )


def _text(metrics: Metrics, name: str) -> str:
    value = metrics.get(name, math.nan)
    return _MISSING if math.isnan(value) else f'{value:.2f}'
