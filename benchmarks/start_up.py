# Copyright (c) mmuda authors.
"""Time until mmuda is there, against that of mmseg, in new processes."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import mmuda
from benchmarks.measure import (
    Clock,
    Row,
    Tick,
    Times,
    paired_times,
    ratio_row,
    spread,
)
from mmuda.utils.errors import ConfigError

MAX_IMPORT_RATIO = 1.2
MAX_HELP_SECONDS = 1.0
# As the command that pip installs, and not the import of PyTorch.
_HELP = """
import sys
from mmuda_cli import main
status = main()
sys.exit('it has imported torch' if 'torch' in sys.modules else status)
"""
OURS, HELP = 'import mmuda', 'mmuda --help'
# The package alone may import nothing, as that of the maintained build; what
# programs use of it is in the other.
BARE, THEIRS = 'import mmseg', 'import mmseg.apis'
# What Python runs.
PROGRAMS: dict[str, tuple[str, ...]] = {
    OURS: ('-c', OURS),
    THEIRS: ('-c', THEIRS),
    BARE: ('-c', BARE),
    HELP: ('-c', _HELP, '--help'),
}
_FOLDER = str(Path(mmuda.__file__).parents[1])


def start_up_rows(
    *,
    rounds: int,
    warmup: int = 1,
    clock: Clock = time.perf_counter,
    tick: Tick | None = None,
) -> list[Row]:
    """Time of an import over that of mmseg's, and that of the help.

    All are processes of their own, one at a time.

    Args:
        rounds: As of ``paired_times``, as are the others.
        warmup: Runs before, after which files are in the memory.
        clock: ``time.process_time`` stands for the work of these processes.
        tick: Called with a message before each run.

    Raises:
        ConfigError: A process fails, or the help has imported PyTorch.
    """
    times = paired_times(
        {name: partial(run_python, words) for name, words in PROGRAMS.items()},
        rounds,
        warmup=warmup,
        clock=work_of_processes if clock is time.process_time else clock,
        tick=tick,
    )
    return rows_of(times)


def rows_of(times: Times) -> list[Row]:
    """Rows of the seconds of each of ``PROGRAMS``."""
    section, seconds = 'start_up', times[HELP]
    return [
        ratio_row(
            section,
            f'{OURS} / {THEIRS}',
            times,
            OURS,
            THEIRS,
            MAX_IMPORT_RATIO,
        ),
        ratio_row(section, f'{OURS} / {BARE}', times, OURS, BARE),
        Row(
            section,
            f'{HELP}, PyTorch is not imported',
            statistics.median(seconds),
            's',
            MAX_HELP_SECONDS,
            spread(seconds),
        ),
        ratio_row(section, f'{HELP} / {THEIRS}', times, HELP, THEIRS),
    ]


def run_python(
    words: Sequence[str], environment: Mapping[str, str] = os.environ
) -> None:
    """Run Python with the modules of this repository, and wait for its end.

    Args:
        words: Of its command line.
        environment: Its variables.

    Raises:
        ConfigError: It has failed; with its last words.
    """
    paths = [_FOLDER, environment.get('PYTHONPATH')]
    result = subprocess.run(
        [sys.executable, *words],
        env={
            **environment,
            'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors='replace',
    )
    if result.returncode:
        last = result.stderr.strip().splitlines()[-1:] or ['it said nothing']
        raise ConfigError(
            f'python {" ".join(words).strip()!r} ended with exit code '
            f'{result.returncode}: {last[0]}'
        )


def work_of_processes() -> float:
    """Seconds of the processor that processes which have ended took."""
    times = os.times()
    return times.children_user + times.children_system
