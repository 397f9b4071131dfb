# Copyright (c) mmuda authors.
"""Showing and saving the rows of a benchmark."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import torch
from rich.table import Table

from benchmarks.measure import Row
from mmuda.utils.files import atomic_write


def environment(device: str) -> dict[str, str | int]:
    """Versions and machine that the times depend on."""
    on_gpu = torch.device(device).type == 'cuda'
    return {
        'torch': torch.__version__,
        'python': platform.python_version(),
        'device': torch.cuda.get_device_name(device) if on_gpu else 'cpu',
        'threads': torch.get_num_threads(),
        'cores': os.cpu_count() or 0,
    }


def make_table(rows: Iterable[Row], title: str = '') -> Table:
    """Rows as a table for the terminal."""
    table = Table(title=title)
    table.add_column('part')
    table.add_column('measure')
    table.add_column('value', justify='right')
    table.add_column('goal', justify='right')
    table.add_column('met')
    table.add_column('made of')
    section = None
    for row in rows:
        if section not in (None, row.section):
            table.add_section()
        goal = '' if row.goal is None else f'<= {row.goal:g} {row.unit}'
        table.add_row(
            '' if row.section == section else row.section,
            row.name,
            f'{row.value:.3g} {row.unit}'.rstrip(),
            goal.rstrip(),
            {None: '', True: 'yes', False: 'NO'}[row.is_met],
            row.detail,
        )
        section = row.section
    return table


def save_json(
    path: str | os.PathLike, rows: Iterable[Row], setting: Mapping
) -> None:
    """Write the rows and the setting they were measured in."""
    content = {
        'setting': dict(setting),
        'rows': [asdict(row) | {'is_met': row.is_met} for row in rows],
    }
    atomic_write(path, json.dumps(content, indent=2) + '\n')
