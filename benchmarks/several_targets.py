# Copyright (c) mmuda authors.
"""Time of iterations for several targets against those for one."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mmengine.config import Config

from benchmarks.measure import (
    Row,
    Tick,
    Times,
    format_seconds,
    median_ratio,
    paired_times,
    ratio_row,
)
from benchmarks.several_targets_case import SeveralTargetsCase
from benchmarks.several_targets_config import (
    COLORED,
    METHODS,
    SEVERAL_VIEWS,
    needed_passes,
)

_SECTION = 'several_targets'
_ONE = '1 target'
_RECOMPUTED = 'recomputed'
_COLORS = 'colours'
_OPENCV = 'OpenCV'


def several_targets_rows(
    cfg: Config,
    numbers: Sequence[int],
    device: str = 'cpu',
    methods: Sequence[str] = METHODS,
    tick: Tick | None = None,
    **timing: Any,
) -> list[Row]:
    """Backbone passes and time of an iteration by number of targets.

    The extra time of computing features twice is that of a second forward
    pass for any number of targets, and measured for the smallest.

    Args:
        cfg: A training config; see ``SeveralTargetsCase``.
        numbers: Numbers of targets.
        device: Where to compute.
        methods: What to measure.
        tick: Called with a message at each step.
        **timing: As of ``paired_times``; T targets have a T-th of the rounds.
    """
    rows: list[Row] = []
    several = min((n for n in numbers if n > 1), default=None)
    for method in methods:
        one = SeveralTargetsCase(cfg, method, 1, device)
        for number in sorted(set(numbers)):
            many = one
            if number != 1:
                many = SeveralTargetsCase(cfg, method, number, device)
            # Chance averages out within the long iterations of many targets.
            options = timing | dict(rounds=max(1, timing['rounds'] // number))
            steps = _steps(one, many, recompute=number == several)
            rows += _rows(one, many, steps, tick, options)
    return rows


def _rows(
    one: SeveralTargetsCase,
    many: SeveralTargetsCase,
    steps: dict[str, Callable[[], None]],
    tick: Tick | None,
    options: dict[str, Any],
) -> Iterator[Row]:
    """Rows of a method for a number of targets."""
    name, times = many.title, Times()
    if len(steps) > 1:
        times = paired_times(
            steps,
            device=many.device,
            tick=tick and (lambda step: tick(f'{name}, {step}')),
            **options,
        )
    # Now, as CoaST knows no styles in its first iteration.
    passes = many.count_passes()
    needed = needed_passes(many.method, len(many.targets))
    yield Row(_SECTION, f'{name}: backbone passes', passes, goal=needed)
    if many is not one:
        label = f'{name}: iteration / of {_ONE}'
        yield ratio_row(_SECTION, label, times, name, _ONE)
        yield _pass_row(name, times, passes, one.count_passes())
    for variant, divisor, what in (
        (_RECOMPUTED, name, 'features recomputed / kept'),
        (_COLORS, name, 'colour transfer / iteration'),
        (_COLORS, _OPENCV, 'colour transfer / by OpenCV in 8 bits'),
    ):
        if variant in times:
            label = f'{name}: {what}'
            yield ratio_row(_SECTION, label, times, variant, divisor)


def _steps(
    one: SeveralTargetsCase, many: SeveralTargetsCase, recompute: bool
) -> dict[str, Callable[[], None]]:
    """What to time in turns, by name."""
    steps = {many.title: many.step}
    if many is not one:
        steps = {_ONE: one.step} | steps
    if recompute and many.method in SEVERAL_VIEWS:
        steps[_RECOMPUTED] = partial(many.step, recompute=True)
    if many.method in COLORED:
        steps[_COLORS] = many.transfer_colors
        steps[_OPENCV] = many.transfer_by_opencv
    return steps


def _pass_row(name: str, times: Times, passes: int, passes_of_one: int) -> Row:
    """Time of an iteration by its backbone passes, over that of one target."""
    ratio = median_ratio(times, name, _ONE) * passes_of_one / passes
    detail = ' / '.join(
        f'{variant} {count} of {format_seconds(min(times[variant]) / count)}'
        for variant, count in ((name, passes), (_ONE, passes_of_one))
    )
    label = f'{name}: time of a pass / of {_ONE}'
    return Row(_SECTION, label, ratio, detail=detail)
