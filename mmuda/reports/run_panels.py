# Copyright (c) mmuda authors.
"""Curves of a training, those of one player in one picture."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmuda.models.players import SEGMENTOR
from mmuda.utils.names import SHARES

from .html_pages import data_address, figure_html, keys_html
from .run_history import RunHistory, Series, smoothed

# Fits a telephone without becoming too small to read.
_SIZE = (4.6, 2.5)
_MARGINS = dict(left=0.17, right=0.98, bottom=0.18, top=0.97)
_POINTS = 400
# A line is the mean of so great a part of the values around.
_SMOOTHED = 1 / 25
_TOTAL = 'loss.'
_PERCENT = ('Acc', 'consistency', 'soft_Dice')
_PERCENT_TITLE = 'Validation, accuracy and agreement in %'
Scale = Literal['linear', 'log']


@dataclass(frozen=True)
class Panel:
    """Curves that are drawn together.

    Attributes:
        title: What they are.
        curves: Iterations and values by name.
        is_smoothed: Draw a mean over the values, which are noise.
    """

    title: str
    curves: Mapping[str, Series]
    is_smoothed: bool = True

    @property
    def scale(self) -> Scale:
        """Logarithmic where positive values span decades."""
        values = np.concatenate([v for _, v in self.curves.values()])
        values = values[np.isfinite(values)]
        # Nothing would be seen of zeros and negative losses.
        if not len(values) or values.min() <= 0 or '%' in self.title:
            return 'linear'
        return 'log' if values.max() > 20 * values.min() else 'linear'


def panels_of(history: RunHistory) -> Iterator[Panel]:
    """Sort what was logged into panels, each curve into one.

    Args:
        history: Of a training.

    Yields:
        Losses of each player, shares, pixel accuracies, rates, means of the
        validations, and whatever else there is.
    """
    left = dict(history.training)
    for player, losses in _losses_by_player(left).items():
        yield Panel(f'Losses of {player}', losses)
    for title, words, factor in (
        ('Pseudo-labels and mixing, % of the pixels', SHARES, 100.0),
        ('Right pixels while training, %', ('acc_seg',), 1.0),
        ('Learning rates', ('lr',), 1.0),
        ('Seconds an iteration', ('time',), 1.0),
    ):
        found = {n: left.pop(n) for n in [*left] if n.endswith(words)}
        curves = {n: (x, factor * y) for n, (x, y) in found.items()}
        if curves:
            yield Panel(title, curves, is_smoothed=title != 'Learning rates')
    yield from _validation_panels(history.validation)
    if left:
        yield Panel('Also logged', left)


def _losses_by_player(
    found: dict[str, Series],
) -> dict[str, dict[str, Series]]:
    """Take the losses out of what was logged, each to the one it teaches.

    ``loss.<player>`` is the sum of a player's; single ones are named
    ``<player>.<...>``, or after a domain if they are the main player's.
    """
    losses = [name for name in found if 'loss' in name]
    sums = [name for name in losses if name.startswith(_TOTAL)]
    players = [name.removeprefix(_TOTAL) for name in sums]
    main = SEGMENTOR if SEGMENTOR in players or not players else players[0]
    groups: dict[str, dict[str, Series]] = {p: {} for p in players or [main]}
    for name in losses:
        first = name.partition('.')[0]
        player = first if first in players else main
        if name in sums:
            groups[name.removeprefix(_TOTAL)]['sum'] = found.pop(name)
        else:
            groups[player][name] = found.pop(name)
    return {player: curves for player, curves in groups.items() if curves}


def _validation_panels(found: Mapping[str, Series]) -> Iterator[Panel]:
    means = {n: s for n, s in found.items() if 'mIoU' in n}
    if means:
        yield Panel('Validation, mIoU in %', means, is_smoothed=False)
    for prefix, curves in class_curves(found).items():
        place = f' on {prefix}' if prefix else ''
        yield Panel(f'IoU by class{place}, %', curves, is_smoothed=False)
    others = {
        name: series
        for name, series in found.items()
        if name not in means
        and 'IoU.' not in name
        and not name.endswith('time')
    }
    percent = {n: s for n, s in others.items() if n.endswith(_PERCENT)}
    if percent:
        yield Panel(_PERCENT_TITLE, percent, is_smoothed=False)
    rest = {n: s for n, s in others.items() if n not in percent}
    shares = {n: s for n, s in rest.items() if _is_share(s[1])}
    rest = {n: s for n, s in rest.items() if n not in shares}
    for title, curves in (('from 0 to 1', shares), ('other values', rest)):
        if curves:
            yield Panel(f'Validation, {title}', curves, is_smoothed=False)


def _is_share(values: np.ndarray) -> bool:
    """Whether nothing would be seen of it beside larger values."""
    known = values[np.isfinite(values)]
    return len(known) > 0 and known.min() >= 0 and known.max() <= 1


def class_curves(
    found: Mapping[str, Series],
) -> dict[str, dict[str, Series]]:
    """IoU of each class by the name of the target, '' if there is one.

    Args:
        found: Values of validations, named ``<target>/IoU.<class>``.
    """
    by_target: dict[str, dict[str, Series]] = {}
    for name, series in found.items():
        before, mark, class_name = name.partition('IoU.')
        if mark and not before.endswith('m'):
            target = before.rstrip('/')
            by_target.setdefault(target, {})[class_name] = series
    return by_target


def panel_html(panel: Panel) -> str:
    """A panel as a figure, with its legend and last values below.

    Args:
        panel: At least one curve.
    """
    colours = line_colours(len(panel.curves))
    address = data_address(panel_svg(panel, colours), 'image/svg+xml')
    names = [
        f'{name} ({_last(values)})'
        for name, (_, values) in panel.curves.items()
    ]
    caption = panel.title + ', logarithmic' * (panel.scale == 'log')
    figure = figure_html(address, caption, f'{panel.title} by iteration')
    return f'<div>{figure}{keys_html(names, colours)}</div>'


def panel_svg(panel: Panel, colours: Sequence[str]) -> bytes:
    """Draw the curves of a panel, each over its single values.

    Args:
        panel: What to draw.
        colours: One a curve.

    Returns:
        An SVG file.
    """
    # Text of the reader's own fonts, and no paths for each letter.
    with rc_context({'svg.fonttype': 'none', 'font.size': 9}):
        figure = Figure(figsize=_SIZE)
        # Twice as fast as a layout that is computed.
        figure.subplots_adjust(**_MARGINS)
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.set(xlabel='iteration', yscale=panel.scale)
        axes.grid(alpha=0.3)
        whole = MaxNLocator('auto', steps=[1, 2, 5, 10], integer=True)
        axes.xaxis.set_major_locator(whole)
        if panel.scale == 'linear':
            # What all values have in common would stand under the title.
            axes.yaxis.set_major_formatter('{x:.6g}')
        for colour, (steps, values) in zip(
            colours, panel.curves.values(), strict=True
        ):
            _draw_curve(axes, steps, values, colour, panel.is_smoothed)
        axes.set_xlim(0, 1.02 * _last_step(panel))
        buffer = io.BytesIO()
        # Without a date, so that equal runs give equal pages.
        figure.savefig(buffer, format='svg', metadata={'Date': None})
    return buffer.getvalue()


def _draw_curve(axes, steps, values, colour: str, is_smoothed: bool) -> None:
    width = math.ceil(_SMOOTHED * len(values)) if is_smoothed else 0
    places = np.linspace(0, len(steps) - 1, min(len(steps), _POINTS))
    shown = np.unique(places.astype(int))
    style = '.-' if len(steps) < 30 else '-'
    line = smoothed(values, width)
    if width > 1:
        axes.plot(steps[shown], values[shown], color=colour, alpha=0.25, lw=1)
    axes.plot(steps[shown], line[shown], style, color=colour, lw=1.3)


def line_colours(count: int) -> list[str]:
    """Colours of so many lines, each twenty different."""
    table = colormaps['tab10' if count <= 10 else 'tab20']
    return [to_hex(table(number % table.N)) for number in range(count)]


def _last_step(panel: Panel) -> int:
    return max(int(steps[-1]) for steps, _ in panel.curves.values()) or 1


def _last(values: np.ndarray) -> str:
    return f'{values[-1]:.4g}'
