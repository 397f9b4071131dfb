# Copyright (c) mmuda authors.
"""How long runs will take."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Work(NamedTuple):
    """A run that is left.

    Attributes:
        row: That it is of.
        iterations: Of its trainings.
        elapsed: Seconds that it has been running.
    """

    row: str
    iterations: int
    elapsed: float = 0.0


def seconds_each(known: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Mean seconds of an iteration by row, and of all rows as ``''``.

    Args:
        known: Rows and seconds of an iteration of the finished runs.
    """
    found: dict[str, list[float]] = {}
    for row, seconds in known:
        for name in (row, ''):
            found.setdefault(name, []).append(seconds)
    return {name: sum(v) / len(v) for name, v in found.items()}


def remaining_seconds(
    works: Sequence[Work], pace: Mapping[str, float], places: int
) -> float | None:
    """Estimate how long the runs that are left take.

    Args:
        works: What is left.
        pace: Seconds of an iteration by row; that of ``''`` stands for rows
            of which none has finished.
        places: How many run at the same time.

    Returns:
        None if nothing is known.
    """
    if not pace:
        return None
    each = [
        max(0.0, w.iterations * pace.get(w.row, pace['']) - w.elapsed)
        for w in works
    ]
    # No run is shorter than itself, however many places there are.
    return max([sum(each) / places, *each], default=0.0)
