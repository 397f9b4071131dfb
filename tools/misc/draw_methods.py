# Copyright (c) mmuda authors.
"""Draw what flows where in each method, for its page in docs/methods.

The drawings are described in ``docs/pictures/methods/drawings.yml``.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.path import Path as Curve
from PIL import Image, PngImagePlugin

from mmuda.utils.cli import add_traceback_option, run_tool
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write, read_yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'docs/pictures/methods'
DESCRIPTION = 'drawings.yml'

# Inches from one column or row to the next, and around a text.
_PITCH = (1.5, 0.74)
_PADDING = (0.09, 0.07)
_MARGIN = 0.14
_LEGEND = 0.3
_FONT = 8.5
_DPI = 150
_COLORS = 128
_INK, _PAPER = '#1f2430', '#ffffff'

# What a box is: its colours, and what the legend says of it.
KINDS = {
    'source': ('#d6e6f7', '#3b76b5', 'source'),
    'target': ('#fde3cc', '#cf7a2b', 'target'),
    'network': ('#e6e1f4', '#6a55b0', 'trained network'),
    'teacher': ('#ececec', '#7d7d7d', 'network at rest'),
    'data': ('#f6f6f0', '#8c8c78', 'what is made of them'),
    'label': ('#dcf0dc', '#4c9a4c', 'label'),
    'loss': ('#f9d9dc', '#c03c4c', 'loss'),
}

_BOX = re.compile(r'(\w+) (-?[\d.]+) (-?[\d.]+) (.+)', re.S)
# Straight, or level first (-|), or upright first (|-); dots: no gradient.
_ARROW = re.compile(r' (\||)(-|\.)(\||)> ')


class Box(NamedTuple):
    """A box of a drawing.

    Attributes:
        kind: One of ``KINDS``.
        center: x and y in inches, y downwards.
        size: Width and height in inches.
        text: With line breaks, and mathematics between dollars.
    """

    kind: str
    center: tuple[float, float]
    size: tuple[float, float]
    text: str

    def edges(self, room: float = 0.0) -> tuple[float, float, float, float]:
        """Left, right, top and bottom, with some room around."""
        (x, y), (width, height) = self.center, self.size
        across, down = width / 2 + room, height / 2 + room
        return x - across, x + across, y - down, y + down


class Arrow(NamedTuple):
    """An arrow between two boxes.

    Attributes:
        ends: Names of the boxes.
        points: x and y in inches, from the first to the last.
        has_gradient: Whether what comes of it teaches where it is from.
    """

    ends: tuple[str, str]
    points: tuple[tuple[float, float], ...]
    has_gradient: bool


class Drawing(NamedTuple):
    """All of a drawing, in inches.

    Attributes:
        boxes: By name.
        arrows: Between them.
        size: Width and height, the legend included.
    """

    boxes: dict[str, Box]
    arrows: list[Arrow]
    size: tuple[float, float]


def lay_out(description: Mapping) -> Drawing:
    """Place the boxes and arrows of a drawing.

    Args:
        description: ``boxes`` by name, each "kind column row text" with " / "
            for a line break; ``arrows``, each a chain of names with arrows
            between them, such as "x -> f .> y".

    Raises:
        ConfigError: A line can't be read, or a kind or name is unknown.
    """
    boxes = {k: _box(k, line) for k, line in description['boxes'].items()}
    left = min(box.edges()[0] for box in boxes.values()) - _MARGIN
    top = min(box.edges()[2] for box in boxes.values()) - _MARGIN
    boxes = {
        name: box._replace(center=(box.center[0] - left, box.center[1] - top))
        for name, box in boxes.items()
    }
    width = max(box.edges()[1] for box in boxes.values()) + _MARGIN
    height = max(box.edges()[3] for box in boxes.values()) + _MARGIN
    arrows = [
        arrow
        for line in description['arrows']
        for arrow in _chain(line, boxes)
    ]
    return Drawing(boxes, arrows, (width, height + _LEGEND))


def _box(name: str, line: str) -> Box:
    found = _BOX.fullmatch(line)
    if found is None or found[1] not in KINDS:
        raise ConfigError(
            f'{DESCRIPTION}: box {name}: {line!r} must be "kind column row '
            f'text", the kind one of {", ".join(KINDS)}'
        )
    text = '\n'.join(part.strip() for part in found[4].split(' / '))
    width, height = _extent(text)
    size = width + 2 * _PADDING[0], height + 2 * _PADDING[1]
    center = float(found[2]) * _PITCH[0], float(found[3]) * _PITCH[1]
    return Box(found[1], center, size, text)


def _extent(text: str) -> tuple[float, float]:
    """Width and height of a text in inches."""
    figure = Figure(dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    drawn = figure.text(0, 0, text, size=_FONT, linespacing=1.25)
    extent = drawn.get_window_extent(canvas.get_renderer())
    return extent.width / _DPI, extent.height / _DPI


def _chain(line: str, boxes: Mapping[str, Box]) -> Iterator[Arrow]:
    """Arrows of a line such as "x -> f .|> y"."""
    parts = _ARROW.split(line)
    names, ways = (
        parts[::4],
        [*zip(*(parts[i::4] for i in (1, 2, 3)), strict=True)],
    )
    for name in names:
        if name not in boxes:
            raise ConfigError(f'{DESCRIPTION}: {line!r}: no box {name!r}')
    for ends, (upright, dash, level) in zip(
        pairwise(names), ways, strict=True
    ):
        start, end = boxes[ends[0]], boxes[ends[1]]
        points = [start.center, end.center]
        if level:
            points.insert(1, (end.center[0], start.center[1]))
        elif upright:
            points.insert(1, (start.center[0], end.center[1]))
        points[0] = _border(start, points[1], 0.02)
        points[-1] = _border(end, points[-2], 0.03)
        yield Arrow((ends[0], ends[1]), tuple(points), dash == '-')


def _border(
    box: Box, towards: tuple[float, float], gap: float
) -> tuple[float, float]:
    """Where a line from the middle of a box leaves it, and a gap beyond."""
    (x, y), (across, down) = box.center, (towards[0] - box.center[0], 0.0)
    down = towards[1] - y
    shares = [
        (side / 2 + gap) / abs(step)
        for side, step in zip(box.size, (across, down), strict=True)
        if step
    ]
    share = min(shares, default=0.0)
    return x + share * across, y + share * down


def find_faults(drawing: Drawing) -> list[str]:
    """What a reader would stumble over: overlaps, and lines across boxes."""
    boxes = drawing.boxes
    faults = [
        f'{one} and {other} overlap'
        for one, other in combinations(boxes, 2)
        if _overlap(boxes[one].edges(0.04), boxes[other].edges(0.04))
    ]
    for arrow in drawing.arrows:
        faults += [
            f'{" to ".join(arrow.ends)} runs across {name}'
            for name, box in boxes.items()
            if name not in arrow.ends and _crosses(arrow.points, box)
        ]
        (x, y), (u, v) = arrow.points[-2:]
        if abs(u - x) + abs(v - y) < 0.12:
            faults.append(f'{" to ".join(arrow.ends)} is too short')
    return faults


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return (
        one[0] < other[1]
        and other[0] < one[1]
        and one[2] < other[3]
        and other[2] < one[3]
    )


def _crosses(points: tuple[tuple[float, float], ...], box: Box) -> bool:
    """Whether a line comes within a hair of a box."""
    left, right, top, bottom = box.edges(0.03)
    for (x, y), (u, v) in pairwise(points):
        for step in range(101):
            share = step / 100
            across, down = x + share * (u - x), y + share * (v - y)
            if left < across < right and top < down < bottom:
                return True
    return False


def draw(drawing: Drawing) -> Image.Image:
    """Paint a drawing, on paper that is readable on dark pages, too."""
    width, height = drawing.size
    figure = Figure((width, height), dpi=_DPI, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis('off')
    for arrow in drawing.arrows:
        style = '-' if arrow.has_gradient else (0, (3.5, 2.5))
        axes.add_patch(
            FancyArrowPatch(
                path=Curve(arrow.points),
                arrowstyle='-|>',
                mutation_scale=9,
                linewidth=1.1,
                linestyle=style,
                color=_INK,
            )
        )
    for box in drawing.boxes.values():
        _paint_box(axes, box)
    _paint_legend(axes, drawing)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return Image.fromarray(pixels.copy()).quantize(_COLORS)


def _paint_box(axes, box: Box) -> None:
    fill, edge, _ = KINDS[box.kind]
    left, right, top, bottom = box.edges()
    rounding = 0.14 if box.kind == 'loss' else 0.05
    axes.add_patch(
        FancyBboxPatch(
            (left, top),
            right - left,
            bottom - top,
            boxstyle=f'round,pad=0,rounding_size={rounding}',
            facecolor=fill,
            edgecolor=edge,
            linewidth=1.2,
        )
    )
    axes.text(
        *box.center,
        box.text,
        size=_FONT,
        color=_INK,
        ha='center',
        va='center',
        linespacing=1.25,
    )


def _paint_legend(axes, drawing: Drawing) -> None:
    """Kinds that occur, and what a dashed line is."""
    used = {box.kind for box in drawing.boxes.values()}
    handles: list[Patch | Line2D] = [
        Patch(facecolor=fill, edgecolor=edge, label=meaning)
        for kind, (fill, edge, meaning) in KINDS.items()
        if kind in used and kind != 'data'
    ]
    if not all(arrow.has_gradient for arrow in drawing.arrows):
        dashed = dict(color=_INK, linestyle=(0, (3.5, 2.5)), linewidth=1.1)
        handles.append(Line2D([], [], label='no gradient', **dashed))
    axes.legend(
        handles=handles,
        loc='lower center',
        bbox_to_anchor=(0.5, 0),
        ncols=len(handles),
        fontsize=6.5,
        frameon=False,
        handlelength=1.3,
        columnspacing=1.2,
        handletextpad=0.4,
        borderaxespad=0.15,
    )


def checksum(description: Mapping) -> str:
    """Number of a description, which its picture holds as ``Source``."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def picture(description: Mapping) -> bytes:
    """The PNG of a description."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text('Source', checksum(description))
    file = io.BytesIO()
    draw(lay_out(description)).save(
        file, 'PNG', optimize=True, pnginfo=notes, dpi=(_DPI, _DPI)
    )
    return file.getvalue()


def read_descriptions(folder: Path = FOLDER) -> dict[str, dict]:
    """Descriptions of all drawings by name."""
    return read_yaml(folder / DESCRIPTION, 'correct the file')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'names', nargs='*', help='of drawings (default: all of them)'
    )
    parser.add_argument(
        '--folder',
        type=Path,
        default=FOLDER,
        metavar='DIR',
        help=f'where {DESCRIPTION} lies and pictures go (default: the docs)',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Draw, and list what is wrong with a drawing."""
    descriptions = read_descriptions(args.folder)
    if unknown := sorted({*args.names} - {*descriptions}):
        raise ConfigError(f'{DESCRIPTION} has no {", ".join(unknown)}')
    found = False
    for name in args.names or descriptions:
        for fault in find_faults(lay_out(descriptions[name])):
            found = True
            print(f'{name}: {fault}')
        content = picture(descriptions[name])
        atomic_write(args.folder / f'{name}.png', content)
    return int(found)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
