"""Threads with a bounded queue."""

import threading

import pytest

from mmuda.utils.threads import BoundedThreads


def test_all_calls_are_made():
    done = []
    with BoundedThreads(threads=3, waiting=4) as threads:
        for number in range(50):
            threads.submit(done.append, number)
    assert sorted(done) == list(range(50))


def test_a_full_queue_makes_the_caller_wait():
    gate, submitted = threading.Event(), []

    def fill():
        with BoundedThreads(threads=1, waiting=2) as threads:
            for number in range(5):
                threads.submit(gate.wait)
                submitted.append(number)

    caller = threading.Thread(target=fill)
    caller.start()
    caller.join(timeout=0.5)
    assert submitted == [0, 1]
    gate.set()
    caller.join()
    assert submitted == [0, 1, 2, 3, 4]


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError), BoundedThreads() as threads:
        threads.submit(lambda: 1 / 0)
