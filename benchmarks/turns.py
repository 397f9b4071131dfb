# Copyright (c) mmuda authors.
"""Processes that take turns, so that nothing of one is in the other."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import torch

from mmuda.utils.errors import ConfigError, describe_error

# Started anew: a fork may not use a GPU, nor threads that ran.
CONTEXT: BaseContext = get_context('spawn')
_SECONDS_TO_END = 10
_LAST_BYTES = 2000


class Failure(NamedTuple):
    """What a process answers instead of a result.

    Attributes:
        reason: One line.
    """

    reason: str


class Turn:
    """A process that waits until it is told to do one thing.

    What it prints goes into a file, whose end is shown if the process dies.

    Args:
        name: For messages.
        target: Runs in the process with a :class:`Caller` and the arguments.
        *args: Of ``target``; they have to be picklable.
        cores: That the process may use; None leaves them.
        threads: Of PyTorch in it; None leaves them.
    """

    def __init__(
        self,
        name: str,
        target: Callable[..., None],
        *args: Any,
        cores: set[int] | None = None,
        threads: int | None = None,
    ) -> None:
        self.name = name
        # The process and this one each hold it open.
        with tempfile.NamedTemporaryFile(delete=False) as file:
            self.log = file.name
        self.connection, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(
            target=_enter,
            args=(theirs, self.log, cores, threads, target, args),
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def answer(self) -> Any:
        """Wait for what the process says next.

        Raises:
            ConfigError: It failed or has died.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            answer = Failure(
                f'ended with exit code {self.process.exitcode}; its last '
                f'words: {self.last_words() or "none"}'
            )
        if isinstance(answer, Failure):
            raise ConfigError(f'{self.name}: {answer.reason}')
        return answer

    def begin(self, what: str) -> None:
        """Tell the process to do something, and don't wait."""
        with suppress(BrokenPipeError):  # ``answer`` tells why
            self.connection.send(what)

    def seconds(self, what: str) -> float:
        """Let the process do something, and get the time that it took.

        Raises:
            ConfigError: It failed or has died.
        """
        self.begin(what)
        return self.answer()

    def last_words(self) -> str:
        """End of what the process has printed, on one line."""
        with open(self.log, 'rb') as file:
            text = file.read()[-_LAST_BYTES:].decode(errors='replace')
        return ' | '.join(text.split('\n')[-4:]).strip(' |')

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.join(_SECONDS_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        with suppress(FileNotFoundError):
            os.unlink(self.log)


class Caller:
    """The other end of a :class:`Turn`.

    Args:
        connection: To the process that measures.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, value: Any) -> None:
        """Answer."""
        self._connection.send(value)

    def wait(self) -> str:
        """Wait until something is to be done.

        Raises:
            EOFError: It is over.
        """
        return self._connection.recv()

    def serve(self, timed: Callable[[str], float]) -> None:
        """Do what is asked for, one thing at a time, until it is over.

        Args:
            timed: Does it and gives the seconds that it took.
        """
        while True:
            self.tell(timed(self.wait()))


def _enter(
    connection: Connection,
    log: str,
    cores: set[int] | None,
    threads: int | None,
    target: Callable[..., None],
    args: tuple,
) -> None:
    with open(log, 'wb', buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    try:
        if cores is not None:
            os.sched_setaffinity(0, cores)
        if threads is not None:
            torch.set_num_threads(threads)
        target(Caller(connection), *args)
    except EOFError:
        pass
    except Exception as error:
        traceback.print_exc()
        with suppress(BrokenPipeError):
            connection.send(Failure(describe_error(error)))
