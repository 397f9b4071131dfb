"""Calls over processes and threads."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mmuda.utils import jobs
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.jobs import in_processes, in_threads

ROOT = Path(__file__).parents[2]
CALLS = [(n,) for n in range(20)]
# Each call leaves a file; the last line of the script never comes.
SLOW = """
import signal, sys, time
from pathlib import Path
from mmuda.utils.jobs import in_processes

signal.signal(signal.SIGINT, signal.default_int_handler)

def work(folder, number):
    time.sleep(0.1)
    (Path(folder) / str(number)).touch()

calls = [(sys.argv[1], n) for n in range(1000)]
with in_processes(work, calls, 2) as done:
    list(done)
print('finished')
"""


def square(number):
    return number**2


def fail_at_three(number):
    if number == 3:
        raise DataError('three.png is damaged')


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def processes(folder):
    """Start the slow script, and wait until it works.

    Ctrl-C reaches it even where it does not reach this process, as in jobs
    that a shell has put into the background.
    """
    process = subprocess.Popen(
        [sys.executable, '-c', SLOW, str(folder)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(folder.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    return process


def is_quiet(folder):
    """Whether no process writes files any more."""
    count = len(list(folder.iterdir()))
    time.sleep(0.5)
    return len(list(folder.iterdir())) == count


def call_all(function, workers, title=None):
    with in_processes(function, CALLS, workers, title) as results:
        return list(results)


@pytest.mark.parametrize(
    ('workers', 'method'),
    [(1, 'fork'), (2, 'fork'), (50, 'fork'), (2, 'spawn')],
)
def test_results_come_in_the_order_of_the_calls(monkeypatch, workers, method):
    monkeypatch.setattr(jobs, 'START_METHOD', method)
    assert call_all(square, workers) == [n**2 for n in range(20)]


def test_no_calls_are_no_work():
    with in_processes(square, [], 2) as results:
        assert list(results) == []


@pytest.mark.parametrize('workers', [1, 2])
def test_an_error_comes_through(workers):
    with pytest.raises(DataError, match=r'three\.png'):
        call_all(fail_at_three, workers)


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_a_killed_process_is_explained(monkeypatch, method):
    monkeypatch.setattr(jobs, 'START_METHOD', method)
    with pytest.raises(ConfigError, match='2 worker processes was killed'):
        call_all(die, 2)


def test_a_bar_shows_progress(capsys):
    call_all(square, 1, 'squares')
    err = capsys.readouterr().err
    assert 'squares' in err
    assert '20/20' in err


def test_sigterm_is_an_interrupt_in_the_block_only():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), in_processes(square, CALLS, 1):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ('kill', 'number'),
    [
        (os.kill, signal.SIGTERM),
        (os.killpg, signal.SIGTERM),
        (os.killpg, signal.SIGINT),
    ],
)
def test_a_signal_ends_all_processes(tmp_path, kill, number):
    process = processes(tmp_path)
    kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert err.splitlines()[-1] == 'KeyboardInterrupt'
    assert 'finished' not in out
    assert is_quiet(tmp_path)


def test_workers_end_after_their_parent_was_killed(tmp_path):
    process = processes(tmp_path)
    process.kill()
    process.communicate(timeout=30)  # Returns when all have closed the pipes.
    assert is_quiet(tmp_path)


def test_threads_give_results_in_the_order_of_the_calls(capsys):
    calls = ((n, 2) for n in range(50))
    with in_threads(pow, calls, 3, 'squares', 50, waiting=4) as results:
        assert list(results) == [n**2 for n in range(50)]
    assert '50/50' in capsys.readouterr().err


def test_a_full_queue_lets_the_next_calls_wait():
    gate, taken = threading.Event(), []

    def calls():
        for number in range(5):
            taken.append(number)
            yield ()

    def work():
        with in_threads(gate.wait, calls(), 1, waiting=2) as results:
            list(results)

    caller = threading.Thread(target=work)
    caller.start()
    caller.join(timeout=0.5)
    assert taken == [0, 1]
    gate.set()
    caller.join()
    assert taken == [0, 1, 2, 3, 4]


def test_an_error_of_a_thread_reaches_the_caller():
    with (
        pytest.raises(ZeroDivisionError),
        in_threads(lambda: 1 / 0, [()], 2) as results,
    ):
        list(results)
