import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmuda.translation.lab_workers import call_all, terminated_as_interrupted
from mmuda.utils.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
CALLS = [(n,) for n in range(20)]
# Each call leaves a file; the last line of the script never comes.
SLOW = """
import signal, sys, time
from pathlib import Path
from mmuda.translation.lab_workers import call_all, terminated_as_interrupted

signal.signal(signal.SIGINT, signal.default_int_handler)

def work(folder, number):
    time.sleep(0.1)
    (Path(folder) / str(number)).touch()

with terminated_as_interrupted():
    calls = [(sys.argv[1], n) for n in range(1000)]
    call_all(work, calls, 2, None)
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


@pytest.mark.parametrize('workers', [1, 2, 50])
def test_all_results_are_received(workers):
    received = []
    call_all(square, CALLS, workers, None, received.append)
    assert sorted(received) == [n**2 for n in range(20)]


def test_no_calls_are_no_work():
    call_all(square, [], 2, None)


@pytest.mark.parametrize('workers', [1, 2])
def test_an_error_comes_through(workers):
    with pytest.raises(DataError, match=r'three\.png'):
        call_all(fail_at_three, CALLS, workers, None)


def test_a_killed_process_is_explained():
    with pytest.raises(ConfigError, match='2 worker processes was killed'):
        call_all(die, CALLS, 2, None)


def test_a_bar_shows_progress(capsys):
    call_all(square, CALLS, 1, 'squares')
    err = capsys.readouterr().err
    assert 'squares' in err
    assert '20/20' in err


def test_sigterm_is_an_interrupt_in_the_block_only():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
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
