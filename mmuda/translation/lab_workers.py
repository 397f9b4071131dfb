# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Calling a function many times over several processes."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import cv2
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mmuda.utils.errors import ConfigError
from mmuda.utils.processes import exit_with

# Within which a signal to all processes has reached this one as well.
_SIGNAL_SECONDS = 0.5


def call_all(
    function: Callable,
    calls: Sequence[tuple],
    workers: int,
    title: str | None,
    receive: Callable | None = None,
) -> None:
    """Call a function with each tuple of arguments, in any order.

    Who is free takes the next call. After an error or a signal, calls that
    run are finished and the others left.

    Args:
        function: Of a module, for other processes to find it.
        calls: Arguments of each call.
        workers: Number of processes; with one of them all is done here.
        title: Of the progress bar; None for no bar.
        receive: Called with each result.

    Raises:
        ConfigError: A process was killed.
    """
    if not calls:
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with _results(function, calls, workers) as results:
        # Its thread starts after the processes.
        console = Console(stderr=True)
        with Progress(*columns, console=console, disable=title is None) as bar:
            task = bar.add_task(title or '', total=len(calls))
            for result in results:
                if receive is not None:
                    receive(result)
                bar.advance(task)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _results(
    function: Callable, calls: Sequence[tuple], workers: int
) -> Iterator[Iterator]:
    workers = min(workers, len(calls))
    if workers <= 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield (function(*call) for call in calls)
        finally:
            cv2.setNumThreads(threads)
        return
    method = 'fork' if sys.platform == 'linux' else 'spawn'
    pool = ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context(method),
        initializer=_start_worker,
        initargs=(os.getpid(),),
    )
    try:
        futures = [pool.submit(function, *call) for call in calls]
        yield (future.result() for future in as_completed(futures))
    except BrokenProcessPool as error:
        # If it was a signal to all, this is where it interrupts.
        time.sleep(_SIGNAL_SECONDS)
        raise ConfigError(
            f'one of {workers} worker processes was killed, perhaps for its '
            'memory; start again with fewer --workers'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(parent: int) -> None:
    # Ctrl-C goes to all processes; the parent lets workers finish a call.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    exit_with(parent)
