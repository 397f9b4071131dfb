# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What each round of a self-training brought."""

import json
import re
import time
from pathlib import Path

from mmuda.utils.files import atomic_write

from .recipe import Recipe


def last_validation(work_dir: Path) -> dict[str, float]:
    """Metrics of the last validation of a run.

    Args:
        work_dir: Of the run.

    Returns:
        Metrics by name, such as ``cityscapes/mIoU``; none if not validated.
    """
    metrics: dict[str, float] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            if any(re.search(r'/mIoU$', key) for key in values):
                metrics = {k: v for k, v in values.items() if '/' in k}
    return metrics


def write_summary(recipe: Recipe, seconds: dict[str, float]) -> str:
    """Write ``summary.md``: target mIoU and time of each round.

    Args:
        recipe: The finished recipe.
        seconds: Duration of the stages of this call by name.

    Returns:
        The text.
    """
    lines = ['| round | validation | seconds |', '| --- | --- | --- |']
    for number in range(recipe.rounds + 1):
        metrics = last_validation(recipe.work_dir / f'round_{number}')
        shown = ', '.join(
            f'{name} {value:.2f}'
            for name, value in metrics.items()
            if name.endswith(('mIoU', 'entropy'))
        )
        spent = [
            value
            for name, value in seconds.items()
            if name.startswith(f'round {number}' if number else 'first')
        ]
        spent_text = f'{sum(spent):.0f}' if spent else '-'
        lines.append(f'| {number} | {shown or "-"} | {spent_text} |')
    lines.append(f'\nWritten {time.strftime("%Y-%m-%d %H:%M")}.')
    text = '\n'.join(lines)
    atomic_write(recipe.work_dir / 'summary.md', text + '\n')
    return text
