# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What the labellings of all cycles kept, as a table and as curves."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmuda.datasets.pseudo_label_manifest import PseudoLabelManifest
from mmuda.pseudo_labels.jobs import ACCURACY
from mmuda.utils.files import atomic_path, atomic_write

from .stages import Stage, Step

_PANELS = ('threshold', 'kept', 'precision')
_HEADING = (
    *('stage', 'class', 'threshold', 'pixels', 'kept pixels'),
    *('kept', 'precision', 'recall'),
)


class ClassSelection(NamedTuple):
    """What one labelling kept of one class.

    Attributes:
        stage: Name of the labelling.
        name: Of the class.
        threshold: Lowest confidence that is kept; None if it has none.
        pixels: Predicted pixels.
        kept_pixels: Those that were kept.
        precision: Part of the kept pixels that are right, in [0, 1]; None
            without true labels.
        recall: Part of the true pixels that were kept and right.
    """

    stage: str
    name: str
    threshold: float | None
    pixels: int
    kept_pixels: int
    precision: float | None
    recall: float | None

    @property
    def kept(self) -> float | None:
        """Kept part of the predicted pixels; None if there are none."""
        return self.kept_pixels / self.pixels if self.pixels else None


def gather_selections(steps: Sequence[Step]) -> list[ClassSelection]:
    """Read what the finished labellings of sampled images kept.

    Args:
        steps: Of the procedure.
    """
    return [
        selection
        for step in steps
        for stage in step
        if stage.name.endswith('/label') and stage.is_done
        for selection in _read(stage)
    ]


def write_curves(steps: Sequence[Step], work_dir: Path) -> None:
    """Write ``selection.csv`` and draw ``selection.png``.

    Args:
        steps: Of the procedure.
        work_dir: Folder of both files, which are replaced.
    """
    selections = gather_selections(steps)
    if not selections:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(_HEADING)
    for row in selections:
        kept = None if row.kept is None else round(row.kept, 4)
        writer.writerow((*row[:5], kept, *row[5:]))
    atomic_write(work_dir / 'selection.csv', text.getvalue())
    with atomic_path(work_dir / 'selection.png') as temporary:
        draw_selections(selections).savefig(temporary)


def draw_selections(selections: Sequence[ClassSelection]) -> Figure:
    """Draw a line for each class over the labellings.

    Args:
        selections: In the order of the labellings.
    """
    stages = list(dict.fromkeys(row.stage for row in selections))
    names = list(dict.fromkeys(row.name for row in selections))
    figure = Figure(figsize=(12, 10), layout='constrained', dpi=100)
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(_PANELS), 1, sharex=True)
    places = {stage: place for place, stage in enumerate(stages)}
    for name in names:
        rows = [row for row in selections if row.name == name]
        where = [places[row.stage] for row in rows]
        for axes, value in zip(panels, _PANELS, strict=True):
            values = [getattr(row, value) for row in rows]
            known = [np.nan if v is None else v for v in values]
            axes.plot(where, known, marker='.', label=name)
    for axes, value in zip(panels, _PANELS, strict=True):
        axes.set(ylabel=value, ylim=(0, 1))
    short = [stage.removesuffix('/label') for stage in stages]
    panels[-1].set_xticks(range(len(stages)), short, rotation=30, ha='right')
    panels[0].legend(
        loc='upper left', bbox_to_anchor=(1.01, 1), fontsize='small'
    )
    return figure


def _read(stage: Stage) -> list[ClassSelection]:
    manifest = PseudoLabelManifest.read(stage.folder)
    measured: Mapping[str, Mapping] = {}
    file = stage.folder / ACCURACY
    if file.is_file():
        measured = json.loads(file.read_text())['classes']
    return [
        ClassSelection(
            stage.name,
            name,
            manifest.thresholds[name],
            manifest.pixels[name],
            manifest.kept[name],
            measured.get(name, {}).get('precision'),
            measured.get(name, {}).get('recall'),
        )
        for name in manifest.classes
    ]
