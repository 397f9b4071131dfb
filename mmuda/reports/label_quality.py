# Copyright (c) mmuda authors.
"""How much of each class pseudo-labels kept, and how right they are."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    current_root,
    read_accuracy,
)
from mmuda.utils.names import ACCURACY

from .html_pages import note_html, table_html

_ROOT = 'pseudo_label_root'


def label_quality_html(config: Mapping[str, Any]) -> Iterator[str]:
    """Tables of the pseudo-labels that a training has read from files.

    Args:
        config: Values by dotted key.

    Yields:
        Markup; nothing for a training without such labels. What a teacher
        makes within an iteration is a curve.

    Raises:
        DataError: A file is damaged.
    """
    roots = [
        str(value)
        for key, value in config.items()
        if key.rpartition('.')[2] == _ROOT and value
    ]
    for root in dict.fromkeys(roots):
        # Of any text: Path.is_dir raises if the system has no such names.
        folder = current_root(root) if os.path.isdir(root) else None
        if folder is None:
            yield note_html(f'There are no labels in {root} any more.')
        else:
            yield from _folder_html(folder)


def _folder_html(folder: Path) -> Iterator[str]:
    manifest = PseudoLabelManifest.read(folder)
    measured: Mapping[str, Mapping] = {}
    file = folder / ACCURACY
    if file.exists():
        content = read_accuracy(file)
        measured = content['classes']
        overall = content.get('overall')
        if overall is not None:
            yield note_html(f'{overall:.1f} % of the kept labels are right.')
    rows = [
        (
            name,
            _percent(manifest.kept[name], manifest.pixels[name]),
            _number(manifest.thresholds[name]),
            *(_number(measured.get(name, {}).get(k)) for k in _MEASURES),
        )
        for name in manifest.classes
    ]
    yield note_html(
        f'{folder}: {manifest.num_images:,} images, rule '
        f'{manifest.rule.get("type", "unknown")}'
    )
    yield table_html(
        rows,
        ('class', 'kept %', 'threshold', 'right %', 'found %'),
    )


_MEASURES = ('precision', 'recall')


def _percent(part: int, whole: int) -> str:
    return f'{100 * part / whole:.1f}' if whole else '–'


def _number(value: object) -> str:
    return f'{value:.4g}' if isinstance(value, int | float) else '–'
