# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How far a procedure is, and what its stages brought."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.utils.errors import DataError
from mmuda.utils.json_files import read_plain_file
from mmuda.utils.names import MANIFEST

from .stage import Stage, Step
from .state import ProcedureState


def status_table(
    steps: Sequence[Step], state: ProcedureState, running: bool = False
) -> Table:
    """Stages with what they brought so far.

    Args:
        steps: Of the procedure.
        state: What is known of them.
        running: Whether a process works on them.
    """
    table = Table(title=str(state.work_dir))
    for column in ('stage', 'status', 'time', 'result'):
        table.add_column(column, no_wrap=True, overflow='fold')
    for stage in (stage for step in steps for stage in step):
        seconds = state.seconds(stage)
        table.add_row(
            stage.name,
            state.status(stage, running),
            '' if seconds is None else duration(seconds),
            outcome(stage) if stage.is_done else '',
        )
    return table


def outcome(stage: Stage) -> str:
    """What a finished stage brought: mIoU, kept pixels or images."""
    if stage.tool == 'train.py':
        metrics = last_validation(stage.folder)
        return ', '.join(
            f'{name} {value:.2f}'
            for name, value in metrics.items()
            if name.endswith('mIoU')
        )
    if stage.result.name == MANIFEST:
        return _described_labels(stage)
    if stage.result.suffix == '.txt':
        return f'{len(stage.result.read_bytes().splitlines())} images'
    return ''


def _described_labels(stage: Stage) -> str:
    try:
        manifest = PseudoLabelManifest.read(stage.folder)
    except DataError:
        return ''
    text = f'{manifest.num_images} images'
    pixels = sum(manifest.pixels.values())
    if pixels:
        kept = sum(manifest.kept.values()) / pixels
        text += f', {kept:.0%} of the pixels'
    return text


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as much as is needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours} h {minutes:02d} min'
    return f'{minutes} min {rest:02d} s' if minutes else f'{rest} s'


def last_validation(work_dir: Path) -> dict[str, float]:
    """Metrics of the last validation of a run.

    Args:
        work_dir: Of the run.

    Returns:
        Metrics by name, such as ``cityscapes/mIoU``; none if not validated.
        Lines that a killed process has not finished are passed over.
    """
    metrics: dict[str, float] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for values in _logged(file):
            if any(re.search(r'/mIoU$', key) for key in values):
                metrics = {
                    k: v
                    for k, v in values.items()
                    if '/' in k and isinstance(v, int | float)
                }
    return metrics


def _logged(file: Path) -> Iterator[dict]:
    """Yield the whole lines of a log, which is only looked at."""
    try:
        lines = read_plain_file(file, '').splitlines()
    except DataError:
        return
    for line in lines:
        try:
            values = json.loads(line)
        except (RecursionError, ValueError):
            continue
        if isinstance(values, dict):
            yield values
