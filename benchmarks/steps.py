# Copyright (c) mmuda authors.
"""Iterations beside the published loop and bare passes, in turns."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmarks.measure import (
    Clock,
    Row,
    Tick,
    Times,
    ratio_row,
    seconds_of,
    times_in_turns,
)
from benchmarks.published_loop import require_checkout, serve_published
from benchmarks.setting import image_sizes, method_configs
from benchmarks.training import BARE, MAX_TIME_RATIO, METHODS
from benchmarks.training_case import TrainingCase
from benchmarks.turns import Caller, Turn
from mmuda.utils.mixed_precision import Precision, bf16_hardware
from mmuda.utils.names import AUX
from mmuda.utils.setup_env import register_all_modules

PUBLISHED = 'published'
# Of AdvEnt and MinEnt alike; in bfloat16 on a CPU that has it.
MAX_OF_PUBLISHED: dict[str, float] = dict(fp32=0.95, bf16=0.55)


def precisions_of(device: str) -> tuple[Precision, ...]:
    """What is worth measuring: bfloat16 if the device computes in it."""
    has_bf16 = bf16_hardware(device.partition(':')[0])
    return ('fp32', 'bf16') if has_bf16 else ('fp32',)


def step_rows(
    cfg: Config,
    published: Path | None = None,
    *,
    device: str = 'cpu',
    precisions: Sequence[Precision] | None = None,
    threads: int | None = None,
    rounds: int = 5,
    warmup: int = 1,
    clock: Clock = time.perf_counter,
    tick: Tick | None = None,
) -> list[Row]:
    """Time of iterations over that of bare passes and of published ones.

    Ours in each precision and the published loop have a process each, of
    which one computes at a time.

    Args:
        cfg: A training config; sizes, network and optimizers are its.
        published: A checkout of ADVENT; None leaves it out.
        device: Where to compute.
        precisions: Of ours; by default what suits the device.
        threads: Of PyTorch on the CPU; None leaves them.
        rounds: As of ``times_in_turns``.
        warmup: As of ``times_in_turns``.
        clock: What tells the time in each process.
        tick: Called with a message before each run.

    Raises:
        ConfigError: The checkout is none, or its code fails.
    """
    if published is not None:
        require_checkout(published)
    precisions = precisions or precisions_of(device)
    rows = []
    for method in METHODS:
        ours = {
            precision: (precision, serve_ours, cfg, method, precision)
            for precision in precisions
        }
        with ExitStack() as stack:
            turns: dict[str, Turn] = {}
            for name, words in (
                ours | _theirs(cfg, published, method)
            ).items():
                turn = Turn(*words, device, clock, threads=threads)
                turns[name] = turn
                stack.callback(turn.close)
            about = {name: turn.answer() for name, turn in turns.items()}
            times = times_in_turns(
                _timed(turns, method), rounds, warmup=warmup, tick=tick
            )
        rows += _rows(method, times, about)
    return rows


def _theirs(
    cfg: Config, folder: Path | None, method: str
) -> dict[str, tuple[Any, ...]]:
    """Arguments of the published loop's turn, if there is a checkout."""
    if folder is None:
        return {}
    weights = method_configs(cfg)['MinEnt']['entropy_weights']
    classes = cfg.model.segmentor.decode_head.num_classes
    words = folder, method, image_sizes(cfg), classes, AUX in weights
    size = cfg.train_dataloader.batch_size
    return {
        PUBLISHED: (f'--published {folder}', serve_published, *words, size)
    }


def serve_ours(
    caller: Caller,
    cfg: Config,
    method: str,
    precision: Precision,
    device: str,
    clock: Clock,
) -> None:
    """Run our iterations and bare passes, each time one is asked for.

    Args:
        caller: Who asks; is told first ``parameters`` (of the segmentor).
        cfg: As of :func:`step_rows`.
        method: ``AdvEnt`` or ``MinEnt``.
        precision: In which networks compute.
        device: Where to compute.
        clock: What tells the time.
    """
    register_all_modules()
    case = TrainingCase(cfg, device, precision)
    count = sum(p.numel() for p in case.segmentor.parameters())
    functions = {
        method: partial(case.train_step, method),
        BARE: case.bare_iteration,
    }
    caller.tell(dict(parameters=count))
    caller.serve(lambda what: seconds_of(functions[what], device, clock))


def _timed(turns: dict[str, Turn], method: str) -> dict[str, Any]:
    timed: dict[str, Any] = {}
    for name, turn in turns.items():
        timed[f'{method} {name}'] = partial(turn.seconds, method)
        if name != PUBLISHED:
            timed[f'{BARE} {name}'] = partial(turn.seconds, BARE)
    return timed


def _rows(method: str, times: Times, about: dict[str, dict]) -> list[Row]:
    rows = []
    theirs = about.pop(PUBLISHED, None)
    ours = next(iter(about.values()))
    for name in about:
        own, bare = f'{method} {name}', f'{BARE} {name}'
        title = f'{own} iteration / bare forward+backward'
        rows.append(
            ratio_row('steps', title, times, own, bare, MAX_TIME_RATIO)
        )
        if theirs is None:
            continue
        row = ratio_row(
            'steps',
            f'{own} iteration / published loop in fp32',
            times,
            own,
            f'{method} {PUBLISHED}',
            MAX_OF_PUBLISHED[name],
        )
        rows.append(row)
    if theirs is not None:
        rows.append(
            Row(
                'steps',
                f'{method}: parameters of our network / of the published',
                ours['parameters'] / theirs['parameters'],
                detail='; '.join(theirs['adapted']),
            )
        )
    return rows
