# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Samples of a training as picture grids and as one page."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmuda.utils.drawing import legend, panel, stack, with_colour_bar
from mmuda.utils.files import atomic_path, atomic_write

from .html_pages import (
    figure_html,
    note_html,
    page_html,
    palette_html,
    picture_address,
    section_html,
    table_html,
)
from .training_samples import DrawnClasses, TrainingSample, drawn_classes

PAGE = 'index.html'
_SIDE = 720
_CONFIDENCE, _SCALE = 'confidence', 'probability'


def write_samples(
    samples: Sequence[TrainingSample],
    meta: Mapping[str, Any],
    folder: Path,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    domains: Collection[str] = (),
) -> list[Path]:
    """Write ``<domain>.png``, a row for each iteration, and ``index.html``.

    Args:
        samples: At least one.
        meta: ``classes`` and ``palette`` of the data.
        folder: Where to write.
        facts: What the page says at its head.
        notes: What a reader has to know.
        domains: Those to show; all if empty.

    Returns:
        The files, the page last.
    """
    shown = [name for name in samples[0].tiles if name in domains]
    shown = shown or [*samples[0].tiles]
    files = []
    for name in shown:
        files.append(folder / f'{name}.png')
        picture = sample_grid(samples, name, meta)
        with atomic_path(files[-1]) as temporary:
            Image.fromarray(picture).save(temporary)
    files.append(folder / PAGE)
    page = samples_html(samples, meta, facts, notes, shown)
    atomic_write(files[-1], page)
    return files


def sample_grid(
    samples: Sequence[TrainingSample], domain: str, meta: Mapping[str, Any]
) -> np.ndarray:
    """A row for each iteration above one legend.

    Args:
        samples: At least one.
        domain: What to show of them.
        meta: ``classes`` and ``palette`` of the data.

    Returns:
        (H, W, 3) RGB picture.
    """
    rows = []
    for sample in samples:
        tiles = _reduced(sample.tiles[domain])
        if _CONFIDENCE in tiles:
            tiles[_CONFIDENCE] = with_colour_bar(tiles[_CONFIDENCE], _SCALE)
        titles = [*tiles]
        titles[0] = f'{sample.iteration}: {titles[0]}'
        rows.append(panel(dict(zip(titles, tiles.values(), strict=True))))
    width = max(row.shape[1] for row in rows)
    names = legend(meta['classes'], meta['palette'], width)
    return stack([*rows, names])


def _reduced(tiles: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    largest = max(max(tile.shape[:2]) for tile in tiles.values())
    step = math.ceil(largest / _SIDE)
    return {name: tile[::step, ::step] for name, tile in tiles.items()}


def samples_html(
    samples: Sequence[TrainingSample],
    meta: Mapping[str, Any],
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    domains: Sequence[str],
) -> str:
    """The page; see :func:`write_samples`.

    Args:
        samples: At least one.
        meta: ``classes`` and ``palette`` of the data.
        facts: What the page says at its head.
        notes: What a reader has to know.
        domains: Those to show.
    """
    classes = meta['classes']
    drawn = drawn_classes(list(samples), len(classes))
    parts = [
        table_html(facts),
        *map(note_html, notes),
        palette_html(classes, meta['palette']),
    ]
    for name in domains:
        parts.append(section_html(name, *_rows_html(samples, name)))
    parts.append(
        section_html('Classes that were drawn', classes_table(drawn, classes))
    )
    return page_html('What training sees', parts)


def _rows_html(
    samples: Sequence[TrainingSample], domain: str
) -> Iterator[str]:
    for sample in samples:
        words = f'iteration {sample.iteration:,}'
        if domain in sample.shares:
            sure = 100 * sample.shares[domain]
            words += f', the teacher is sure of {sure:.1f} % of the pixels'
        yield f'<h3>{escape(words)}</h3>'
        yield f'<p class="file">{escape(sample.files[domain])}</p>'
        figures = []
        for title, tile in _reduced(sample.tiles[domain]).items():
            if title == _CONFIDENCE:
                tile = with_colour_bar(tile, _SCALE)
            address = picture_address(tile, few_colours='label' in title)
            figures.append(figure_html(address, title, f'{domain}, {title}'))
        yield f'<div class="tiles">{"".join(figures)}</div>'


def classes_table(drawn: DrawnClasses, classes: Sequence[str]) -> str:
    """Part of the labelled pixels of each class, and of batches with it.

    Args:
        drawn: What was counted.
        classes: Names of the classes.
    """
    if not drawn.ratios:
        return note_html('No domain has labels here.')
    heading = ['class']
    for name in drawn.ratios:
        heading += [f'{name} %', 'batches']
    ignored = ['no label, of all pixels']
    for share in drawn.ignored.values():
        ignored += [f'{100 * share:.2f}', '–']
    rows = [ignored]
    for index, class_name in enumerate(classes):
        row = [class_name]
        for name, ratio in drawn.ratios.items():
            row += [f'{100 * ratio[index]:.2f}']
            row += [str(int(drawn.images[name][index]))]
        rows.append(row)
    return table_html(rows, heading)
