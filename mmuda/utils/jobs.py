# Copyright (c) mmuda authors.
"""Many calls of a function, over processes or threads, with a bar.

Both give results in the order of the calls, show the time that is left, and
after an error or a signal let calls that run be finished and drop the others.
What a job has finished before, its caller leaves out.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import starmap

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
from mmuda.utils.processes import wait_for_end_of

# Elsewhere libraries of the system do not survive a fork, or there is none.
START_METHOD = 'fork' if sys.platform == 'linux' else 'spawn'
# Within which a signal to all processes has reached this one as well.
_SIGNAL_SECONDS = 0.5


@contextmanager
def in_processes(
    function: Callable,
    calls: Sequence[tuple],
    workers: int,
    title: str | None = None,
) -> Iterator[Iterator]:
    """Call a function with each tuple of arguments, over processes.

    SIGTERM ends the block as Ctrl-C does.

    Args:
        function: Of a module, for other processes to find it.
        calls: Arguments of each call.
        workers: Number of processes; with one of them all is done here.
        title: Of the progress bar; None for no bar.

    Yields:
        The results, in the order of the calls.

    Raises:
        ConfigError: A process was killed.
    """
    workers = min(workers, len(calls))
    with _terminated_as_interrupted():
        if workers <= 1:
            with _one_opencv_thread(), _bar(title, len(calls)) as shown:
                yield shown(starmap(function, calls))
            return
        pool = ProcessPoolExecutor(
            workers,
            multiprocessing.get_context(START_METHOD),
            initializer=_start_worker,
            initargs=(os.getpid(),),
        )
        try:
            futures = [pool.submit(function, *call) for call in calls]
            # Its thread starts after the processes.
            with _bar(title, len(calls)) as shown:
                yield shown(future.result() for future in futures)
        except BrokenProcessPool as error:
            # If it was a signal to all, this is where it interrupts.
            time.sleep(_SIGNAL_SECONDS)
            raise ConfigError(
                f'one of {workers} worker processes was killed, perhaps for '
                'its memory; start again with fewer --workers'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def in_threads(
    function: Callable,
    calls: Iterable[tuple],
    threads: int,
    title: str | None = None,
    total: int | None = None,
    waiting: int = 16,
) -> Iterator[Iterator]:
    """Call a function with each tuple of arguments, over threads.

    Args:
        function: What releases the GIL, such as reading and writing images.
        calls: Arguments of each call, taken when there is a place for them.
        threads: Number of threads.
        title: Of the progress bar; None for no bar.
        total: Number of calls, for the bar.
        waiting: Largest number of calls that wait or run.

    Yields:
        The results, in the order of the calls.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        with _bar(title, total) as shown:
            yield shown(_in_order(pool, function, calls, waiting))
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor,
    function: Callable,
    calls: Iterable[tuple],
    waiting: int,
) -> Iterator:
    futures: deque[Future] = deque()
    for call in calls:
        futures.append(pool.submit(function, *call))
        # Not kept until the next one is made.
        del call
        if len(futures) == waiting:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


@contextmanager
def _bar(
    title: str | None, total: int | None
) -> Iterator[Callable[[Iterator], Iterator]]:
    """Yield what shows how far an iterator is."""
    if title is None or total == 0:
        yield iter
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield lambda results: iter(
            bar.track(results, total=total, description=title)
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _start_worker(parent: int) -> None:
    # Ctrl-C goes to all processes; the parent lets workers finish a call.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: int) -> None:
    """End this process at once when its parent was killed."""
    if sys.platform == 'win32':
        # There an orphan keeps the number of its parent.
        process = multiprocessing.parent_process()
        assert process is not None, 'a worker was started by one'
        process.join()
    else:
        wait_for_end_of(parent)
    os._exit(1)
