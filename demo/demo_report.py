# Copyright (c) mmuda authors.
"""One table of all methods."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from mmuda.utils.files import atomic_write
from mmuda.utils.generated_pages import markdown_table
from mmuda.utils.json_files import read_json

_CLASS = 'IoU.'


def _metric(result: Mapping, name: str) -> float:
    for key, value in result['metrics'].items():
        if name in (key, key.split('/')[-1]):
            return value
    return float('nan')


def _classes(result: Mapping) -> list[str]:
    names = [key.split('/')[-1] for key in result['metrics']]
    # each once, though there are two targets
    return [
        name[len(_CLASS) :]
        for name in dict.fromkeys(names)
        if name.startswith(_CLASS)
    ]


def rows(results: Mapping[str, Mapping]) -> list[list[str]]:
    """The table as text: a heading, then one row for each class and figure.

    Args:
        results: What ``run_method`` returned, by the method's name.

    Returns:
        Rows of equal length, the first cell naming the figure.
    """
    methods = list(results)
    table = [['target val', *methods]]
    figures = [
        *(
            (name, f'{_CLASS}{name}', 1)
            for name in _classes(results[methods[0]])
        ),
        ('mIoU', 'mIoU', 1),
        ('mIoU on IDD', 'idd/mIoU', 1),
        ('pixel entropy', 'entropy', 3),
    ]
    for title, name, digits in figures:
        values = [_metric(results[method], name) for method in methods]
        table.append([title, *(f'{value:.{digits}f}' for value in values)])
    lengths = [' + '.join(map(str, results[m]['iterations'])) for m in methods]
    table.append(['iterations', *lengths])
    seconds = [f'{results[m]["seconds"]:.0f}' for m in methods]
    table.append(['seconds of training', *seconds])
    return table


def result_table(results: Mapping[str, Mapping]) -> Table:
    """The table for the terminal.

    Args:
        results: What ``run_method`` returned, by the method's name.
    """
    heading, *body = rows(results)
    table = Table(title='Street scenes, GTA5 -> Cityscapes (and IDD) layout')
    for i, title in enumerate(heading):
        table.add_column(title, justify='right' if i else 'left')
    for row in body:
        table.add_row(*row, style='bold' if row[0] == 'mIoU' else None)
    return table


def write_results(results: Mapping[str, Mapping], folder: Path) -> None:
    """Write ``results.json`` and ``results.md``.

    Args:
        results: What ``run_method`` returned, by the method's name.
        folder: Where to write them.
    """
    atomic_write(folder / 'results.md', markdown_table(rows(results)))
    atomic_write(folder / 'results.json', json.dumps(results, indent=2))


def read_results(folder: Path) -> dict[str, dict]:
    """Read what :func:`write_results` wrote."""
    return read_json(
        folder / 'results.json',
        'run the demo again',
        dict[str, dict],
        allow_nan=True,
    )
