# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Running tools as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mmuda.utils.parents import STARTED_BY


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
        for command in commands:
            children.append(_start(command))
        return [child.wait() for child in children]


def _start(command: Command) -> subprocess.Popen:
    environment = {
        **os.environ,
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
def _signals_for(children: Sequence[subprocess.Popen]) -> Iterator[None]:
    def terminate(*_) -> None:
        for child in children:
            child.terminate()

    # The terminal sends Ctrl-C to the children itself. Not SIG_IGN, which they
    # would inherit.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    # nohup lets a run outlive its terminal.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
