# Copyright (c) mmuda authors.
"""Pictures that a training has drawn, some of them, from first to last."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from mmuda.datasets.images.image_io import read_image

from .html_pages import figure_html, note_html, picture_address

# Where ``DomainVisualizationHook`` writes.
FOLDER = 'vis_data/domains'
_NAME = re.compile(r'iter_(\d+)_(.+)\.png')
_STEPS = 5
_WIDTH = 1200
_BYTES = 3_500_000
_NOTHING = f'The training has drawn none ({FOLDER}, DomainVisualizationHook).'


def pictures_html(
    work_dir: Path,
    before: float = math.inf,
    since: float = 0.0,
    most_bytes: int = _BYTES,
) -> Iterator[str]:
    """Pictures of each domain, the earliest first.

    Args:
        work_dir: Of the training.
        before: Iteration that the training has not reached; a picture of it
            or of a later one is of another training.
        since: When the training was started, as :func:`started_at` tells; an
            older picture is of another one, too.
        most_bytes: Of all pictures together; fewer are shown to keep to it.

    Yields:
        Markup.

    Raises:
        DataError: A picture is damaged.
    """
    drawn = drawn_pictures(work_dir)
    found, others = _own(drawn, before, since)
    if others:
        yield note_html(
            f'{others} picture(s) in {FOLDER} are left out: they show what '
            'was trained in this folder before and is no part of this.'
        )
    if not drawn:
        yield note_html(_NOTHING)
        return
    addresses, left_out = _encoded(found, most_bytes)
    if left_out:
        yield note_html(
            f'{left_out} picture(s) would be too large for this page; they '
            f'lie in {FOLDER}.'
        )
    yield from _figures(found, addresses)


def _figures(
    found: Mapping[str, Mapping[int, Path]],
    addresses: Mapping[tuple[str, int], str],
) -> Iterator[str]:
    for name, files in found.items():
        shown = [step for step in files if (name, step) in addresses]
        if shown:
            yield f'<h3>{escape(name)}</h3>'
        for step in shown:
            figure = figure_html(
                addresses[name, step],
                f'iteration {step:,}',
                f'{name}, iteration {step}',
            )
            yield f'<div class="box wide">{figure}</div>'


def _own(
    drawn: Mapping[str, Mapping[int, Path]], before: float, since: float
) -> tuple[dict[str, dict[int, Path]], int]:
    """Those of this training, and the number of the others."""
    found = {}
    for name, files in drawn.items():
        own = {
            step: path
            for step, path in files.items()
            if step < before and path.stat().st_mtime >= since
        }
        if own:
            found[name] = own
    return found, sum(map(len, drawn.values())) - sum(map(len, found.values()))


def drawn_pictures(work_dir: Path) -> dict[str, dict[int, Path]]:
    """Files by what they show and iteration.

    Args:
        work_dir: Of the training.
    """
    found: dict[str, dict[int, Path]] = {}
    for path in (work_dir / FOLDER).glob('iter_*.png'):
        match = _NAME.fullmatch(path.name)
        if match:
            found.setdefault(match[2], {})[int(match[1])] = path
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _encoded(
    found: Mapping[str, Mapping[int, Path]], most_bytes: int
) -> tuple[dict[tuple[str, int], str], int]:
    """Addresses by name and iteration, and how many of the chosen lack.

    The last of each come first, then the first, then those between.
    """
    chosen = [
        (name, step, place)
        for name, files in found.items()
        for place, step in enumerate(_spread([*files]))
    ]
    chosen.sort(key=lambda entry: entry[2])
    addresses: dict[tuple[str, int], str] = {}
    size = 0
    for name, step, _ in chosen:
        address = picture_address(_reduced(read_image(found[name][step])))
        if size + len(address) <= most_bytes:
            addresses[name, step] = address
            size += len(address)
    return addresses, len(chosen) - len(addresses)


def _spread(steps: Sequence[int]) -> list[int]:
    """The last, the first, and some between."""
    places = np.linspace(len(steps) - 1, 0, min(len(steps), _STEPS))
    order = [steps[int(place)] for place in places]
    return [order[0], *order[:0:-1]]


def _reduced(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) BGR as RGB of at most some width."""
    height, width = image.shape[:2]
    if width > _WIDTH:
        size = _WIDTH, max(1, round(height * _WIDTH / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1])
