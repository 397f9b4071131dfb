# Copyright (c) mmuda authors.
"""Processes of tools: how they end, whom they follow and what they start.

Imported before any library, so that Ctrl-C is handled from the first line on.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from mmuda.utils.signals import hangup_to_handle
from mmuda.utils.threads import shared_among

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_STDERR = 2


def leave_at_interrupt() -> None:
    """Let Ctrl-C end a tool in one line until its work begins.

    Libraries turn an interrupt of their imports into errors of all kinds, so
    it is not raised. Programs that import mmuda keep what they have.
    """
    if (
        _is_tool()
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, _leave)


def raise_at_interrupt() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(_STDERR, b'interrupted\n')
    os._exit(INTERRUPTED)


def _is_tool() -> bool:
    """Whether the program is a file of ``tools``, or a module of mmuda."""
    if sys.argv[:1] == ['-m']:
        return any(f'{word}.'.startswith('mmuda.') for word in sys.orig_argv)
    file = getattr(sys.modules.get('__main__'), '__file__', None)
    return file is not None and any(
        folder.name == 'tools' and (folder / 'dist_train.sh').is_file()
        for folder in Path(file).resolve().parents
    )


# Set for the processes that a tool starts.
STARTED_BY = 'MMUDA_STARTED_BY'
# Set by torchrun for those that it starts.
_TORCHRUN = 'TORCHELASTIC_RUN_ID'
_SECONDS_TO_SAVE = 60.0
_POLL_SECONDS = 0.5
_QUEUE_POLL_SECONDS = 0.1


def parent_to_follow() -> int | None:
    """Process without which this one has no reason to go on.

    Returns:
        Its id if it is one of our tools or torchrun, else None: a shell may
        end before what runs in its background.
    """
    parent = os.getppid()
    if os.environ.get(STARTED_BY) == str(parent) or is_of_torchrun():
        return parent
    return None


def is_of_torchrun() -> bool:
    """Whether torchrun has started this process, or one that it stems from."""
    return _TORCHRUN in os.environ


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs.

    Args:
        pid: Its id; on Windows nobody asks.
    """
    if sys.platform == 'win32':
        # There os.kill ends a process whatever the signal.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
    except OSError:
        return True
    # A zombie has ended, only nobody has asked how.
    return state.split()[0] not in 'ZX'


def end_with_parent(seconds_to_save: float = _SECONDS_TO_SAVE) -> None:
    """Let this process end when what has started it was killed.

    Otherwise it would go on writing to the folder that is used when the same
    is started again. It gets SIGTERM, upon which a training saves.

    Args:
        seconds_to_save: After this time it is ended in any case.
    """
    parent = parent_to_follow()
    if parent is None:
        return
    threading.Thread(
        target=_follow, args=(parent, seconds_to_save), daemon=True
    ).start()


def _follow(parent: int, seconds_to_save: float) -> None:
    wait_for_end_of(parent)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds_to_save)
    os._exit(1)


def wait_for_end_of(parent: int) -> None:
    """Return when the process that has started this one has ended.

    Args:
        parent: Its id.
    """
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)


@dataclass(frozen=True)
class Command:
    """A tool to run.

    Attributes:
        tool: The Python file, in a folder of the repository.
        arguments: Of the tool.
        processes: With more than one, ``torchrun`` starts so many.
        environment: Variables to add.
        log: Where its output goes; None shows it.
    """

    tool: Path
    arguments: Sequence[str]
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None

    def words(self) -> list[str]:
        """Words of the command line."""
        launch, extra = [sys.executable], []
        if self.processes > 1:
            launch += ['-m', 'mmuda.utils.launch', '--standalone']
            launch += ['--nproc_per_node', str(self.processes)]
            extra = ['--launcher', 'pytorch']
        return [*launch, str(self.tool), *self.arguments, *extra]


def run_side_by_side(commands: Sequence[Command]) -> list[int]:
    """Run tools at the same time and wait for all.

    Ctrl-C, SIGTERM and SIGHUP (a closed terminal) reach them, too; they save
    and end by themselves.

    Args:
        commands: What to run.

    Returns:
        Their exit codes.
    """
    children: list[subprocess.Popen] = []
    with _signals_for(children):
        threads = shared_among(sum(c.processes for c in commands))
        for command in commands:
            children.append(_start(command, threads))
        return [child.wait() for child in children]


def _start(command: Command, variables: Mapping[str, str]) -> subprocess.Popen:
    environment = {
        **os.environ,
        **variables,
        STARTED_BY: str(os.getpid()),
        **command.environment,
    }
    # As tools are run by hand, from a checkout that is not installed too.
    root = str(command.tool.parents[1])
    paths = [root, environment.get('PYTHONPATH', '')]
    environment['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
    if command.log is None:
        return subprocess.Popen(
            command.words(), env=environment, close_fds=False
        )
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with open(command.log, 'ab') as log:
        return subprocess.Popen(
            command.words(),
            env=environment,
            close_fds=False,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def _signals_for(
    children: Sequence[subprocess.Popen],
    told: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    def terminate(*_) -> None:
        told()
        for child in children:
            child.terminate()

    # The terminal sends Ctrl-C to the children itself. Not SIG_IGN, which they
    # would inherit.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: told()),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    hangup = hangup_to_handle()
    if hangup is not None:
        before[hangup] = signal.signal(hangup, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Job:
    """A tool to run in a queue.

    Attributes:
        name: Of its own.
        command: What to run.
        needs: Names of the jobs in the queue that have to end well before.
    """

    name: str
    command: Command
    needs: Sequence[str] = ()


def run_queue(
    jobs: Sequence[Job],
    places: Sequence[Mapping[str, str]],
    started: Callable[[str], None],
    ended: Callable[[str, int, float], None],
) -> dict[str, int]:
    """Run tools, as many at the same time as there are places.

    When one ends, the first in the list whose needs are met takes its place.
    What needs a job that fails is not run. Ctrl-C, SIGTERM and SIGHUP reach
    the tools as those of :func:`run_side_by_side`; no other is started then.

    Args:
        jobs: In the order in which they are wanted.
        places: Variables of the job that takes a place, such as its GPU.
        started: Is told the name of a job before it starts.
        ended: Is told name, exit code and seconds of a job.

    Returns:
        Exit codes of the jobs that were started, by name.

    Raises:
        KeyboardInterrupt: A signal came; all that ran has ended.
    """
    children: list[subprocess.Popen] = []
    signals: list[bool] = []
    queue = _Queue(list(jobs), list(places), started, ended, children)
    with _signals_for(children, lambda: signals.append(True)):
        try:
            while queue.goes_on(not signals):
                time.sleep(_QUEUE_POLL_SECONDS)
        except BaseException:
            for child in children:
                child.terminate()
            for child in children:
                child.wait()
            raise
    if signals:
        raise KeyboardInterrupt
    return queue.codes


@dataclass
class _Queue:
    """Jobs that wait, run and have ended; see :func:`run_queue`."""

    waiting: list[Job]
    free: list[Mapping[str, str]]
    started: Callable[[str], None]
    ended: Callable[[str, int, float], None]
    children: list[subprocess.Popen]
    codes: dict[str, int] = field(default_factory=dict)
    running: list[tuple] = field(default_factory=list)

    def goes_on(self, may_start: bool) -> bool:
        """Note what has ended, start what can be; False when all is done."""
        for entry in list(self.running):
            job, child, place, begin = entry
            code = child.poll()
            if code is not None:
                self.running.remove(entry)
                self.children.remove(child)
                self.free.append(place)
                self.codes[job.name] = code
                self.ended(job.name, code, time.monotonic() - begin)
        while may_start and self.free and (job := self._next()) is not None:
            self._start(job, self.free.pop(0))
        return bool(self.running)

    def _next(self) -> Job | None:
        """Take the first job whose needs are met."""
        left = {job.name for job in self.waiting}
        left |= {job.name for job, *_ in self.running}
        for job in self.waiting:
            if not any(n in left or self.codes.get(n) for n in job.needs):
                self.waiting.remove(job)
                return job
        return None

    def _start(self, job: Job, place: Mapping[str, str]) -> None:
        self.started(job.name)
        variables = {**place, **job.command.environment}
        command = replace(job.command, environment=variables)
        begin = time.monotonic()
        child = _start(command, {})
        self.children.append(child)
        self.running.append((job, child, place, begin))


# Shells add it to the number of the signal that ended a process.
_SIGNALLED = 128
_OF_USER = (signal.SIGINT, signal.SIGTERM)


def was_stopped(code: int) -> bool:
    """Whether an exit code tells that the user stopped a process.

    Args:
        code: Of a process, or of a shell.
    """
    number = _signal_of(code)
    return number in _OF_USER or number == getattr(signal, 'SIGHUP', None)


def ending_of(code: int, where: str, remedy: str) -> str:
    """How a process ended that did not do so well.

    Args:
        code: Of a process, or of a shell.
        where: Where it has told why.
        remedy: What to do about too little memory.
    """
    number = _signal_of(code)
    if number is None:
        return f'ended with {code}, {where}'
    text = f'was ended by {number.name}'
    if number.name == 'SIGKILL':
        text += (
            ', perhaps because the memory has run out; close other programs, '
            f'or {remedy}'
        )
    return text


def _signal_of(code: int) -> signal.Signals | None:
    """Signal that an exit code tells of."""
    try:
        return signal.Signals(-code if code < 0 else code - _SIGNALLED)
    except ValueError:
        return None
