# Copyright (c) mmuda authors.
"""Comparing running times on a machine that others use as well."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

Times = dict[str, list[float]]
Tick = Callable[[str], None]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        section: Part of the benchmark.
        name: What is measured.
        value: The result.
        unit: Of the value; empty for a ratio.
        goal: The value should not exceed it; None if there is no goal.
        detail: What the value is made of, for information.
    """

    section: str
    name: str
    value: float
    unit: str = ''
    goal: float | None = None
    detail: str = ''

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        return None if self.goal is None else self.value <= self.goal


def paired_times(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warmup: int = 1,
    device: str = 'cpu',
    clock: Clock = time.perf_counter,
    tick: Tick | None = None,
) -> Times:
    """Run the variants in turns, A B C A B C ..., and time each run.

    Load that others put on the machine then meets all variants alike, and
    the ratios within a round are steadier than the times.

    Args:
        variants: Functions by name.
        rounds: Number of timed runs of each.
        warmup: Number of runs of each before, not timed.
        device: Where the functions compute; a GPU is waited for.
        clock: ``time.process_time`` counts the processor's work alone, which
            is steadier than wall-clock time while other programs run.
        tick: Called with a message before each run.

    Returns:
        Seconds of each round by name.
    """
    timed = {
        name: partial(seconds_of, function, device, clock)
        for name, function in variants.items()
    }
    return times_in_turns(timed, rounds, warmup=warmup, tick=tick)


def times_in_turns(
    timed: Mapping[str, Callable[[], float]],
    rounds: int,
    *,
    warmup: int = 1,
    tick: Tick | None = None,
) -> Times:
    """As :func:`paired_times` of functions that tell their time themselves.

    Args:
        timed: Functions by name; each gives the seconds of one run.
        rounds: As of ``paired_times``, as are the others.
        warmup: Runs that do not count.
        tick: Called with a message before each run.
    """
    times: Times = {name: [] for name in timed}
    for number in range(1 - warmup, rounds + 1):
        # Now, or Python would do it within the time of some variant.
        gc.collect()
        for name, function in timed.items():
            if tick is not None:
                turn = f'round {number}/{rounds}' if number > 0 else 'warm-up'
                tick(f'{turn}, {name}')
            seconds = function()
            if number > 0:
                times[name].append(seconds)
    return times


def seconds_of(
    function: Callable[[], object],
    device: str = 'cpu',
    clock: Clock = time.perf_counter,
) -> float:
    """Time of one call, until the device has finished it."""
    synchronize(device)
    start = clock()
    function()
    synchronize(device)
    return clock() - start


def synchronize(device: str) -> None:
    """Wait for a GPU; a CPU is never behind."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


def ratios(times: Times, numerator: str, denominator: str) -> list[float]:
    """The ratio within each round."""
    pairs = zip(times[numerator], times[denominator], strict=True)
    return [a / b for a, b in pairs]


def median_ratio(times: Times, numerator: str, denominator: str) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(ratios(times, numerator, denominator))


def spread(values: Sequence[float]) -> str:
    """Write the quartiles of values; a single one has none."""
    if len(values) < 2:
        return ''
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return f'quartiles {low:.3g} to {high:.3g}'


def ratio_row(
    section: str,
    name: str,
    times: Times,
    numerator: str,
    denominator: str,
    goal: float | None = None,
) -> Row:
    """Row of one ratio with the median times and the spread beside it."""
    parts = (
        f'{variant} {format_seconds(statistics.median(times[variant]))}'
        for variant in (numerator, denominator)
    )
    values = ratios(times, numerator, denominator)
    detail = ', '.join(filter(None, (' / '.join(parts), spread(values))))
    return Row(section, name, statistics.median(values), '', goal, detail)


def format_seconds(seconds: float) -> str:
    """Write a duration in s, ms or us with three digits."""
    for factor, unit in ((1, 's'), (1e3, 'ms')):
        if seconds * factor >= 1:
            return f'{seconds * factor:.3g} {unit}'
    return f'{seconds * 1e6:.3g} us'


def format_bytes(count: float) -> str:
    """Write a size in MiB or KiB."""
    if count >= 2**20:
        return f'{count / 2**20:.4g} MiB'
    return f'{count / 2**10:.3g} KiB'
