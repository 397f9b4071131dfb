# Copyright (c) mmuda authors.
"""What a table of results is made of, as pure functions."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_MEAN = 'mean/mIoU'


class Spread(NamedTuple):
    """Mean and deviation over seeds.

    Attributes:
        mean: Over the seeds.
        deviation: Of a sample; None of one seed.
        count: Of seeds.
    """

    mean: float
    deviation: float | None
    count: int

    def text(self, digits: int = 1, sign: str = '') -> str:
        """Such as ``33.1 ± 0.4``.

        Args:
            digits: Behind the point.
            sign: ``+`` shows it of positive means, too.
        """
        # What rounds to nothing has no sign of its own.
        rounded = round(self.mean, digits) + 0.0
        mean = f'{rounded:{sign}.{digits}f}'.replace('-', '−')
        if self.deviation is None:
            return mean
        return f'{mean} ± {self.deviation:.{digits}f}'


def main_metric(metrics: Mapping[str, float | None]) -> tuple[str, float]:
    """The metric that runs are compared by: mIoU, of several targets the mean.

    Args:
        metrics: Of a test, by name.

    Returns:
        Its name and value; NaN if there is none.
    """
    for name in (_MEAN, *metrics):
        value = metrics.get(name)
        if value is not None and name.rpartition('/')[2] == 'mIoU':
            return name, value
    return 'mIoU', math.nan


def subset_means(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Means over subsets of the classes, beside the main metric.

    Args:
        metrics: Of a test, by name.

    Returns:
        Such as ``{'mIoU13': 40.1}``.
    """
    main = main_metric(metrics)[0]
    prefix = main.rpartition('/')[0]
    return {
        name.rpartition('/')[2]: value
        for name, value in metrics.items()
        if value is not None
        and name.startswith(f'{prefix}/mIoU')
        and name != main
        # of groups of images, not of classes
        and '.' not in name
    }


def class_count(metrics: Mapping[str, float | None]) -> int:
    """Number of classes of the main metric.

    Args:
        metrics: Of a test, by name; None of classes that neither occur nor
            are predicted.
    """
    names = {
        name.partition('/IoU.')[2]
        for name, value in metrics.items()
        if '/IoU.' in name and value is not None
    }
    return len(names)


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and deviation of values, one for each seed.

    Args:
        values: None of them NaN.

    Returns:
        None if there are no values.
    """
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


def gains(
    values: Mapping[int, float], reference: Mapping[int, float]
) -> list[float]:
    """Differences of runs with the same seed.

    Args:
        values: By seed.
        reference: What they are compared with, by seed.
    """
    return [values[s] - reference[s] for s in values if s in reference]


def closed_shares(
    values: Mapping[int, float],
    low: Mapping[int, float],
    high: Mapping[int, float],
) -> list[float]:
    """Shares of the gap from source-only to the oracle, by runs of one seed.

    Args:
        values: By seed.
        low: Of source-only, by seed.
        high: Of the oracle, by seed.

    Returns:
        In percent; negative for harm. Seeds without a gap are left out.
    """
    return [
        100 * (values[s] - low[s]) / (high[s] - low[s])
        for s in values
        if s in low and s in high and high[s] > low[s]
    ]
