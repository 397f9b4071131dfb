# Copyright (c) mmuda authors.
"""Samples of a training as picture grids and as one page."""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from mmuda.utils.drawing import legend, panel, stack, with_colour_bar
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_path, atomic_write
from mmuda.utils.json_files import read_json, written_format

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
# Names of what lies in a folder of samples, so that nothing else is replaced.
RECORD = 'samples.json'
_FORMAT_VERSION = 1
_SIDE = 720
_CONFIDENCE, _SCALE = 'confidence', 'probability'


class _Record(TypedDict):
    files: list[str]


def reduced_sample(sample: TrainingSample) -> TrainingSample:
    """A sample whose pictures are as small as they are shown.

    Args:
        sample: As a training sees it; pictures of large crops take hundreds
            of megabytes.
    """
    tiles = {name: _reduced(found) for name, found in sample.tiles.items()}
    return replace(sample, tiles=tiles)


def require_own_folder(
    folder: Path, domains: Collection[str], overwrite: bool
) -> None:
    """Refuse a folder in which files of somebody else would be replaced.

    Args:
        folder: Where samples are to be written.
        domains: Those to show.
        overwrite: Whether such files are replaced.

    Raises:
        ConfigError: A file is there and of no earlier call that is known.
        DataError: The record of the earlier ones is damaged.
    """
    if overwrite:
        return
    own = _recorded(folder)
    for name in (*_pictures(domains), PAGE):
        if name not in own and (folder / name).exists():
            raise ConfigError(
                f'--out {str(folder)!r}: {name!r} is there and shows no '
                'samples that are known; name another folder, or replace it '
                'by --overwrite'
            )


def _pictures(domains: Collection[str]) -> list[str]:
    return [f'{name}.png' for name in domains]


def _recorded(folder: Path) -> set[str]:
    path = folder / RECORD
    if not path.exists():
        return set()
    remedy = 'remove it, or name another folder by --out'
    found = read_json(path, remedy, _Record, newest=_FORMAT_VERSION)
    # What is removed by it has to lie in the folder and be of its kinds.
    return {
        name
        for name in found['files']
        if Path(name).name == name and Path(name).suffix in ('.png', '.html')
    }


def _record(folder: Path, files: Collection[str]) -> None:
    content = written_format(_FORMAT_VERSION) | dict(files=sorted(files))
    atomic_write(folder / RECORD, json.dumps(content, indent=1) + '\n')


def write_samples(
    samples: Sequence[TrainingSample],
    meta: Mapping[str, Any],
    folder: Path,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    domains: Collection[str] = (),
) -> list[Path]:
    """Write ``<domain>.png``, a row for each iteration, and ``index.html``.

    What is there of these names is replaced, see :func:`require_own_folder`,
    and pictures of an earlier call for other domains are removed.

    Args:
        samples: At least one.
        meta: ``classes`` and ``palette`` of the data.
        folder: Where to write; also gets a record of the files.
        facts: What the page says at its head.
        notes: What a reader has to know.
        domains: Those to show; all if empty.

    Returns:
        The files, the page last.

    Raises:
        DataError: The record of an earlier call is damaged.
    """
    shown = [name for name in samples[0].tiles if name in domains]
    shown = shown or [*samples[0].tiles]
    names, before = [*_pictures(shown), PAGE], _recorded(folder)
    # First, for a call that is stopped has to know its own files.
    _record(folder, before.union(names))
    files = [folder / name for name in names]
    for name, file in zip(shown, files, strict=False):
        picture = sample_grid(samples, name, meta)
        with atomic_path(file) as temporary:
            Image.fromarray(picture).save(temporary)
    atomic_write(files[-1], samples_html(samples, meta, facts, notes, shown))
    _remove_others(folder, before, names)
    return files


def _remove_others(
    folder: Path, before: Collection[str], names: Collection[str]
) -> None:
    for name in set(before).difference(names):
        (folder / name).unlink(missing_ok=True)
    _record(folder, names)


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
    if step == 1:
        return dict(tiles)
    # A view would keep all of the large one.
    return {name: tile[::step, ::step].copy() for name, tile in tiles.items()}


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
