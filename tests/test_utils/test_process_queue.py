"""Tools that wait for a place and for each other."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from mmuda.utils.processes import (
    Command,
    Job,
    ending_of,
    run_queue,
    was_stopped,
)

# Without the imports that Python does by itself a process takes 10 ms.
TOOL = """\
import os, sys, time
folder, name, code, until = sys.argv[1:]
with open(os.path.join(folder, f'{name}.pid'), 'w') as file:
    file.write(str(os.getpid()))
running = os.path.join(folder, f'{name}.running')
open(running, 'w').close()
deadline = time.monotonic() + 60
while until and not os.path.exists(os.path.join(folder, until)):
    if time.monotonic() > deadline:
        sys.exit(9)
    time.sleep(0.01)
with open(os.path.join(folder, f'{name}.saw'), 'w') as file:
    file.write(os.environ.get('PLACE', ''))
os.remove(running)
sys.exit(int(code))
"""


class Tools:
    """Jobs of a folder, and what is told of them."""

    def __init__(self, folder):
        self.folder, self.jobs, self.told = folder, [], []
        self.tool = folder / 'tools' / 'tool.py'
        self.tool.parent.mkdir()
        self.tool.write_text(TOOL)

    def add(self, name, needs=(), code=0, until=''):
        words = [str(self.folder), name, str(code), until]
        self.jobs.append(Job(name, Command(self.tool, words), needs))

    def run(self, places=1):
        return run_queue(
            self.jobs,
            [{'PLACE': str(place)} for place in range(places)],
            lambda name: self.told.append(f'+{name}'),
            lambda name, code, seconds: self.ended(name, code, seconds),
        )

    def ended(self, name, code, seconds):
        assert seconds > 0
        self.told.append(f'-{name}')
        (self.folder / f'{name}.ended').touch()

    def place_of(self, name):
        return (self.folder / f'{name}.saw').read_text()


@pytest.fixture
def tools(tmp_path):
    return Tools(tmp_path)


def test_one_place_takes_jobs_in_turn_after_what_they_need(tools):
    tools.add('a', needs=['c'])
    tools.add('b')
    tools.add('c')
    tools.add('d')
    assert tools.run() == dict.fromkeys('bcad', 0)
    assert tools.told == ['+b', '-b', '+c', '-c', '+a', '-a', '+d', '-d']


def test_a_free_place_is_taken_while_another_job_goes_on(tools):
    tools.add('long', until='c.ended')
    for name in 'abc':
        tools.add(name)
    assert tools.run(places=2) == dict.fromkeys(['a', 'b', 'c', 'long'], 0)
    assert tools.told == [
        *('+long', '+a', '-a', '+b', '-b', '+c', '-c', '-long'),
    ]
    places = [tools.place_of(name) for name in ('long', 'a', 'b', 'c')]
    assert places == ['0', '1', '1', '1']


def test_what_needs_a_failed_job_is_not_run(tools):
    tools.add('a', code=3)
    tools.add('b', needs=['a'])
    tools.add('c', needs=['b'])
    tools.add('d')
    assert tools.run() == {'a': 3, 'd': 0}


def test_what_is_needed_from_before_is_no_job(tools):
    tools.add('a', needs=['finished'])
    assert tools.run() == {'a': 0}


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_after_a_signal_nothing_is_started(tools, number):
    # Ctrl-C reaches the tools from the terminal, here nobody sends it.
    tools.add('a', until='' if number == signal.SIGTERM else 'signalled')
    tools.add('b')
    if number == signal.SIGTERM:
        tools.jobs.clear()
        tools.add('a', until='never')
        tools.add('b')

    def send():
        while not Path(tools.folder, 'a.running').exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)
        (tools.folder / 'signalled').touch()

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        tools.run()
    thread.join()
    assert tools.told == ['+a', '-a']


def test_an_error_ends_all_tools(tools):
    tools.add('a', until='never')
    tools.add('b', until='a.running')
    seen = []

    def fail(*ended):
        seen.append(ended[:2])
        raise ZeroDivisionError

    tools.ended = fail
    with pytest.raises(ZeroDivisionError):
        tools.run(places=2)
    # Of the other, which waits for a minute, nothing was waited for.
    assert seen == [('b', 0)]
    pid = int((tools.folder / 'a.pid').read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (tools.folder / 'a.running').exists()


@pytest.mark.parametrize(
    ('code', 'told', 'stopped'),
    [
        (2, 'ended with 2, see above', False),
        (-11, 'was ended by SIGSEGV', False),
        (130, 'was ended by SIGINT', True),
        (-15, 'was ended by SIGTERM', True),
        (129, 'was ended by SIGHUP', True),
    ],
)
def test_endings(code, told, stopped):
    assert ending_of(code, 'see above', 'take fewer') == told
    assert was_stopped(code) == stopped


def test_too_little_memory_has_a_remedy():
    assert ending_of(-9, '', 'take fewer').endswith('programs, or take fewer')
