# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Threads that never have more than a few things to do."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore


class BoundedThreads:
    """Runs functions in threads, with a limited number waiting.

    Use it as a context manager; an error of a thread is raised at the next
    call or at the end.

    Args:
        threads: Number of threads.
        waiting: Largest number of calls that wait or run.
    """

    def __init__(self, threads: int = 2, waiting: int = 16) -> None:
        self._executor = ThreadPoolExecutor(threads)
        self._places = Semaphore(waiting)
        self._futures: list[Future] = []

    def __enter__(self) -> 'BoundedThreads':
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._executor.shutdown(cancel_futures=error is not None)
        if error is None:
            self._raise_errors()

    def submit(self, function, *args) -> None:
        """Call ``function(*args)`` in a thread, waiting for a free place."""
        self._places.acquire()
        self._raise_errors()
        future = self._executor.submit(function, *args)
        future.add_done_callback(lambda _: self._places.release())
        self._futures.append(future)

    def _raise_errors(self) -> None:
        finished = [f for f in self._futures if f.done()]
        self._futures = [f for f in self._futures if not f.done()]
        for future in finished:
            future.result()
