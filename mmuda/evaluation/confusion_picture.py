# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A picture of a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_INCHES_PER_CELL = 0.45
_MARGIN = 2.5
# Above it the colour is so dark that black numbers can't be read.
_DARK = 50


def draw_confusion(
    shares: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Draw shares as coloured cells with their numbers.

    Args:
        shares: (R, K) percent of each row; a row of NaN, that of a class
            without pixels, stays empty.
        rows: Names of the R true classes.
        columns: Names of the K predicted classes.
    """
    width, height = (
        _MARGIN + _INCHES_PER_CELL * len(names) for names in (columns, rows)
    )
    figure = Figure(figsize=(width, height), layout='constrained', dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100)
    figure.colorbar(image, ax=axes, label='% of the true class', shrink=0.8)
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel='prediction', ylabel='truth')
    for (row, column), share in np.ndenumerate(shares):
        # Also leaves out NaN. What rounds to 0 would only hide the rest.
        if share >= 0.5:
            axes.text(
                *(column, row, f'{share:.0f}'),
                ha='center',
                va='center',
                fontsize='small',
                color='white' if share > _DARK else 'black',
            )
    return figure
