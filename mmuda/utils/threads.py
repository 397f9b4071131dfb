# Copyright (c) mmuda authors.
"""Threads of a process that is not alone on its machine.

Imported before PyTorch, whose OpenMP reads the variables once. What the user
has set is left as it is.
"""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

COUNT = 'OMP_NUM_THREADS'
_POLICY = 'OMP_WAIT_POLICY'
# Those of GNU and of LLVM or Intel take precedence over the policy.
_WAITING = (_POLICY, 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME')
_CGROUPS = Path('/sys/fs/cgroup')
_IS_GIVEN = COUNT in os.environ


def settle_threads(
    environment: MutableMapping[str, str] = os.environ,
    cgroups: Path = _CGROUPS,
) -> None:
    """Let threads sleep while they wait, and be no more than cores.

    By default OpenMP's threads spin for about a millisecond or more after
    each operation. If another process has the core that the last of them
    needs, the others burn the time of that process, and so on: a training
    with two threads takes ten times as long beside another program.

    Args:
        environment: Variables, which are added to.
        cgroups: Folder in which Linux tells the limits of a container.
    """
    if not any(name in environment for name in _WAITING):
        environment[_POLICY] = 'PASSIVE'
    cores, limit = _affine_cores(), _quota(cgroups)
    # OpenMP knows the cores, but not the share of their time.
    if COUNT not in environment and limit is not None and limit < cores:
        environment[COUNT] = str(limit)


def usable_cores(cgroups: Path = _CGROUPS) -> int:
    """Number of processor cores that this process may use.

    Args:
        cgroups: As of :func:`settle_threads`.
    """
    return min(_affine_cores(), _quota(cgroups) or sys.maxsize)


def shared_among(processes: int) -> dict[str, str]:
    """Variables by which processes share the cores of the machine.

    Args:
        processes: That compute at the same time.

    Returns:
        None for a single process, and where the user has chosen a number of
        threads.
    """
    if processes < 2 or _IS_GIVEN:
        return {}
    return {COUNT: str(max(1, usable_cores() // processes))}


def fixed_at(threads: int | None) -> dict[str, str]:
    """Variables of a process that has so many threads, whatever runs beside.

    Args:
        threads: None for as many as by default.

    Returns:
        None of them, too, where the user has chosen a number.
    """
    if threads is None or _IS_GIVEN:
        return {}
    return {COUNT: str(threads)}


def _affine_cores() -> int:
    # Not on macOS and Windows.
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(cgroups: Path) -> int | None:
    """Cores whose time a container may use, at least 1; None for all."""
    try:
        words = (cgroups / 'cpu.max').read_text().split()
    except OSError:
        # Of the first version of Linux's control groups.
        folder = cgroups / 'cpu'
        try:
            words = [
                (folder / f'cpu.cfs_{name}_us').read_text().strip()
                for name in ('quota', 'period')
            ]
        except OSError:
            return None
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None  # 'max', or -1
    return max(1, int(words[0]) // int(words[1]))
