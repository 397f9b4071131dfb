# Copyright (c) mmuda authors.
"""mIoU of all rows over the iterations, mean and deviation over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.run_records import Run
from experiments.table_values import main_metric
from mmuda.procedures.state import validations

_STYLES = ('-', '--', ':')
_COLOURS = colormaps['tab10'].colors


def curve_of(run: Run) -> dict[int, float]:
    """Validation mIoU, in percent, of the last training of a run.

    Args:
        run: May be unfinished.

    Returns:
        By iteration, counted from the beginning of the first training that
        it starts from.
    """
    total, start = run.recipe.iterations, run.start
    while start is not None:
        total, start = total + start.recipe.iterations, start.start
    before = total - run.recipe.last_iterations
    return {
        before + iteration: main_metric(metrics)[1]
        for iteration, metrics in validations(run.checkpoint.parent)
    }


def mean_curve(
    curves: Sequence[Mapping[int, float]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation at the iterations that all seeds have.

    Args:
        curves: Of each seed, by iteration.

    Returns:
        Iterations, means and deviations, (K,) each; the deviation of one
        seed is 0.
    """
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    values = np.array([[curve[k] for k in common] for curve in curves])
    spread = values.std(0, ddof=1) if len(curves) > 1 else 0 * values.mean(0)
    return np.array(common), values.mean(0), spread


def draw_learning_curves(
    title: str, curves: Mapping[str, Sequence[Mapping[int, float]]]
) -> Figure:
    """Draw a line for each row, with a band of one deviation.

    Args:
        title: Of the figure.
        curves: Of each seed of a row, by the row's title.
    """
    figure = Figure(figsize=(10, 5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, (name, seeds) in enumerate(curves.items()):
        turn, place = divmod(number, len(_COLOURS))
        style = dict(
            color=_COLOURS[place], linestyle=_STYLES[turn % len(_STYLES)]
        )
        iterations, mean, spread = mean_curve(seeds)
        axes.plot(iterations, mean, label=name, marker='.', **style)
        axes.fill_between(
            iterations,
            mean - spread,
            mean + spread,
            color=style['color'],
            alpha=0.15,
            linewidth=0,
        )
    axes.set(title=title, xlabel='iteration', ylabel='validation mIoU [%]')
    axes.grid(alpha=0.3)
    if curves:
        figure.legend(loc='outside right upper', fontsize='small')
    return figure
