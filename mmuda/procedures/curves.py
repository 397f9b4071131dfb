# Copyright (c) mmuda authors.
"""What the labellings of all cycles kept, as a table and as curves."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    MeasuredClass,
    PseudoLabelManifest,
    read_accuracy,
)
from mmuda.utils.files import atomic_path, atomic_write
from mmuda.utils.names import ACCURACY

from .stage import Stage, Step

_PANELS = ('threshold', 'kept', 'precision')
_STYLES = {'a': '.-', 'b': '.--'}
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
    """Draw a line for each class and model over the cycles.

    What nobody knows, such as the precision without labels, is left out.

    Args:
        selections: In the order of the labellings.
    """
    shown = [
        value
        for value in _PANELS
        if any(getattr(row, value) is not None for row in selections)
    ]
    figure = Figure(figsize=(12, 3.5 * len(shown)), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    cycles = list(dict.fromkeys(_cycle_and_model(r)[0] for r in selections))
    names = list(dict.fromkeys(row.name for row in selections))
    for axes, value in zip(panels, shown, strict=True):
        for colour, name in zip(_colours(len(names)), names, strict=True):
            rows = [row for row in selections if row.name == name]
            _draw_class(axes, rows, value, cycles, colour)
        axes.set(ylabel=value, ylim=(0, 1.02))
    panels[-1].set_xticks(range(len(cycles)), cycles, rotation=30, ha='right')
    handles = panels[0].get_lines()[:: len(_STYLES)]
    figure.legend(handles, names, loc='outside right upper', fontsize='small')
    figure.suptitle('A solid, B dashed')
    return figure


def _draw_class(
    axes: Axes,
    rows: Sequence[ClassSelection],
    value: str,
    cycles: Sequence[str],
    colour: tuple[float, ...],
) -> None:
    for model, style in _STYLES.items():
        points = [
            (cycles.index(cycle), getattr(row, value))
            for row in rows
            for cycle, maker in [_cycle_and_model(row)]
            if maker in ('', model)
        ]
        places, values = zip(*points, strict=True) if points else ((), ())
        known = [np.nan if number is None else number for number in values]
        axes.plot(places, known, style, color=colour)


def _cycle_and_model(row: ClassSelection) -> tuple[str, str]:
    """Name of the cycle; ``a``, ``b`` or nothing where there is one model."""
    group = row.stage.removesuffix('/label')
    model = group.rpartition('/')[2]
    if model in _STYLES:
        return group.removesuffix(f'/{model}'), model
    return group, ''


def _colours(number: int) -> np.ndarray:
    return colormaps['nipy_spectral'](np.linspace(0.05, 0.95, number))


def _read(stage: Stage) -> list[ClassSelection]:
    manifest = PseudoLabelManifest.read(stage.folder)
    measured: Mapping[str, MeasuredClass] = {}
    file = stage.folder / ACCURACY
    if file.exists():
        measured = read_accuracy(file)['classes']
    unknown = MeasuredClass(precision=None, recall=None)
    return [
        ClassSelection(
            stage.name,
            name,
            manifest.thresholds[name],
            manifest.pixels[name],
            manifest.kept[name],
            _part(measured.get(name, unknown)['precision']),
            _part(measured.get(name, unknown).get('recall')),
        )
        for name in manifest.classes
    ]


def _part(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
