# Copyright (c) mmuda authors.
"""Time and memory of training iterations against the bare network's."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import (
    Row,
    Tick,
    format_bytes,
    paired_times,
    ratio_row,
)
from benchmarks.memory import peak_bytes
from benchmarks.training_case import TrainingCase

MAX_TIME_RATIO = 1.12
MAX_MEMORY_RATIO = 1.05
METHODS = ('AdvEnt', 'MinEnt')
BARE = 'bare'


def speed_rows(
    case: TrainingCase, tick: Tick | None = None, **timing: Any
) -> list[Row]:
    """Time of an iteration over that of the bare network on both images.

    Args:
        case: What to measure.
        tick: Called with a message at each step.
        **timing: As of ``paired_times``.
    """
    variants: dict[str, Callable[[], None]] = {BARE: case.bare_iteration}
    for method in METHODS:
        variants[method] = partial(case.train_step, method)
    times = paired_times(variants, device=case.device, tick=tick, **timing)
    rows = [
        ratio_row(
            'speed',
            f'{method} iteration / bare forward+backward',
            times,
            method,
            BARE,
            MAX_TIME_RATIO,
        )
        for method in METHODS
    ]
    return [*rows, *_arithmetic_rows(variants, tick)]


def _arithmetic_rows(
    variants: dict[str, Callable[[], None]], tick: Tick | None
) -> list[Row]:
    """Ratios of the convolutions' and matrix products' operations.

    Exact, and a bound on what a better implementation could reach.
    """
    counts = {}
    for name, function in variants.items():
        if tick is not None:
            tick(f'counting operations of {name}')
        with FlopCounterMode(display=False) as counter:
            function()
        counts[name] = counter.get_total_flops()
    return [
        Row(
            'speed',
            f'{method} operations / bare forward+backward',
            counts[method] / counts[BARE],
            detail=f'{counts[method] / 1e9:.4g} / '
            f'{counts[BARE] / 1e9:.4g} GFLOP',
        )
        for method in METHODS
    ]


def memory_rows(case: TrainingCase, tick: Tick | None = None) -> list[Row]:
    """Peak of an iteration over that of the larger single domain.

    Parameters, gradients and optimizer states exist before and count nowhere.
    """
    for method in METHODS:
        case.train_step(method)
    steps = {
        domain: partial(case.bare_step, [domain]) for domain in case.images
    }
    for method in METHODS:
        steps[method] = partial(case.train_step, method)
        steps[f'joint {method}'] = partial(case.joint_step, method)
    peaks = {}
    for name, step in steps.items():
        if tick is not None:
            tick(f'peak of {name}')
        case.fill_gradients()
        peaks[name] = peak_bytes(step, case.device)
    single = max(case.images, key=lambda domain: peaks[domain])
    rows = []
    for name, goal in (
        *((method, MAX_MEMORY_RATIO) for method in METHODS),
        *((f'joint {method}', None) for method in METHODS),
    ):
        label = f'{name} step' if goal else f'{name[6:]} by one joint backward'
        detail = f'{format_bytes(peaks[name])} / {single} '
        rows.append(
            Row(
                'memory',
                f'{label} / larger single domain',
                peaks[name] / peaks[single],
                goal=goal,
                detail=detail + format_bytes(peaks[single]),
            )
        )
    return rows
