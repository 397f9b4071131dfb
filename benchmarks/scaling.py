# Copyright (c) mmuda authors.
"""What more processes gain, and what more labels take."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
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
from benchmarks.tiny_labelling import CLASSES, TINY_SIZE, resident_bytes
from benchmarks.training_case import TrainingCase
from benchmarks.turns import CONTEXT, Caller, Turn
from mmuda.datasets.class_statistics import class_statistics
from mmuda.models import UDADistributedDataParallel
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

METHOD = 'AdvEnt'
MIN_OF_IDEAL = 0.9
MAX_MEGABYTES = 200
_STEP = 'step'


def require_cores(processes: Sequence[int]) -> list[int]:
    """The processor cores that this process may use.

    Raises:
        ConfigError: They are fewer than the processes.
    """
    cores = sorted(os.sched_getaffinity(0))
    if max(processes) > len(cores):
        raise ConfigError(
            f'--processes {max(processes)}: each is to have a core of its '
            f'own, and there are {len(cores)}; leave it out, or the part '
            'scaling'
        )
    return cores


def process_rows(
    cfg: Config,
    folder: Path,
    processes: Sequence[int],
    *,
    rounds: int = 5,
    warmup: int = 1,
    clock: Clock = time.perf_counter,
    tick: Tick | None = None,
) -> list[Row]:
    """Time of iterations of several processes over that of one.

    Each has a core and a thread, and a batch of its own; ideally they take
    as long as one. How long as many take that have nothing to do with each
    other tells what cores share: memory, or the processor itself. CPU only.

    Args:
        cfg: A training config; sizes, network and optimizers are its.
        folder: For the files by which processes find each other.
        processes: How many, besides one.
        rounds: As of ``times_in_turns``.
        warmup: As of ``times_in_turns``.
        clock: What tells the time in each process.
        tick: Called with a message before each run.

    Raises:
        ConfigError: There are not enough cores.
    """
    sizes = sorted({1, *processes})
    cores = require_cores(sizes)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        groups: dict[str, list[Turn]] = {}
        for size in sizes:
            store = str((folder / f'group_{size}').resolve())
            for name, together in _ways(size).items():
                groups[name] = [
                    Turn(
                        f'process {rank + 1} of {name}',
                        *(serve_rank, cfg, rank, together, store, clock),
                        cores={cores[rank]},
                        threads=1,
                    )
                    for rank in range(size)
                ]
        for turn in (turn for group in groups.values() for turn in group):
            stack.callback(turn.close)
        timed = {
            name: partial(_slowest, group) for name, group in groups.items()
        }
        times = times_in_turns(timed, rounds, warmup=warmup, tick=tick)
    return [row for size in sizes[1:] for row in _process_rows(times, size)]


def _ways(size: int) -> dict[str, int]:
    """Names of the groups of a size, and how many train together there."""
    if size == 1:
        return {'1 process': 1}
    return {f'{size} processes': size, f'{size} apart': 1}


def _process_rows(times: Times, size: int) -> list[Row]:
    row = partial(ratio_row, 'scaling')
    together, apart = _ways(size)
    title = f'{METHOD} iteration of {together}, a core each'
    # As a ratio of times.
    goal = round(1 / MIN_OF_IDEAL, 3)
    return [
        row(f'{title} / of one', times, together, '1 process', goal),
        row(f'{title} / of {apart}', times, together, apart, goal),
        row(
            f'{METHOD} iteration of {apart} / of one',
            times,
            apart,
            '1 process',
        ),
    ]


def _slowest(group: Sequence[Turn]) -> float:
    for turn in group:
        turn.begin(_STEP)
    return max(turn.answer() for turn in group)


def serve_rank(
    caller: Caller, cfg: Config, rank: int, size: int, store: str, clock: Clock
) -> None:
    """Run iterations of one of several processes.

    Args:
        caller: Who asks.
        cfg: As of :func:`process_rows`.
        rank: Number of the process.
        size: How many train together.
        store: File by which they find each other.
        clock: What tells the time.
    """
    register_all_modules()
    torch.manual_seed(0)
    case = TrainingCase(cfg)
    model = case.models[METHOD]
    if size > 1:
        dist.init_process_group(
            'gloo', f'file://{store}', rank=rank, world_size=size
        )
        model = UDADistributedDataParallel(model)
    step = partial(model.train_step, case.batch, case.wrappers[METHOD])
    caller.serve(lambda what: seconds_of(step, clock=clock))


def class_statistics_rows(
    folder: Path, counts: Sequence[int], tick: Tick | None = None
) -> list[Row]:
    """Peak of a process that counts the classes of few and of many labels.

    Args:
        folder: For the labels.
        counts: Numbers of tiny labels.
        tick: Called with a message at each step.
    """
    counts = sorted(set(counts))
    if tick is not None:
        tick(f'classes of {sum(counts):,} tiny labels')
    for count in counts:
        write_labels(folder / str(count), count)
    # Started anew, or it would begin with this process's memory.
    with ProcessPoolExecutor(1, mp_context=CONTEXT) as executor:
        growth = executor.submit(_count_and_watch, folder, counts).result()
    least = min(growth.values())
    return [
        Row(
            'scaling',
            f'peak of class statistics, {count:,} labels',
            grown / 1e6,
            'MB',
            MAX_MEGABYTES,
            f'{(grown - least) / 1e6:+.3g} MB on the smallest set',
        )
        for count, grown in growth.items()
    ]


def write_labels(folder: Path, count: int) -> None:
    """Write label maps of noise.

    Args:
        folder: Where to write.
        count: How many.
    """
    folder.mkdir(parents=True)
    shape = TINY_SIZE[1], TINY_SIZE[0]
    noise = np.random.default_rng(0).integers(0, CLASSES, shape, np.uint8)
    for number in range(count):
        label = np.roll(noise, number, axis=1)
        cv2.imwrite(str(folder / f'{number:06}.png'), label)


def _count_and_watch(folder: Path, counts: Sequence[int]) -> dict[int, int]:
    register_all_modules()
    before, growth = resident_bytes('VmRSS'), {}
    for count in counts:
        dataset = DATASETS.build(
            dict(
                type='FolderDataset',
                data_root=str(folder / str(count)),
                data_prefix=dict(img_path='.', seg_map_path='.'),
                img_suffix='.png',
                seg_map_suffix='.png',
                label_set='cityscapes19',
            )
        )
        statistics = class_statistics(
            dataset, folder / f'{count}.npz', workers=1, progress=False
        )
        assert len(statistics.keys) == count
        growth[count] = resident_bytes('VmHWM') - before
    return growth
