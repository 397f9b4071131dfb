# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One view of all stages."""

from collections.abc import Sequence

from rich.table import Table

from mmuda.datasets.pseudo_label_manifest import MANIFEST, PseudoLabelManifest
from mmuda.pseudo_labels.recipe_summary import last_validation
from mmuda.utils.errors import DataError

from .stages import Stage, Step
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
        return f'{len(stage.result.read_text().splitlines())} images'
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
