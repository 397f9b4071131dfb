# Copyright (c) mmuda authors.
"""Lines of several processes in one terminal, each with a name."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO


class _NamedLines(io.TextIOBase):
    """A stream, no terminal to those who write, that passes whole lines on."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name, self.stream = name, stream
        self._rest = ''

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self.stream.encoding

    def fileno(self) -> int:
        """Of the stream, for processes that are started."""
        return self.stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take text, and pass on what is finished of it."""
        *lines, self._rest = (self._rest + text).split('\n')
        if lines:
            # At once, not to be cut in two by another process.
            self.stream.write(''.join(f'{self.name} {t}\n' for t in lines))
            self.stream.flush()
        return len(text)


@contextmanager
def named_lines(name: str) -> Iterator[None]:
    """Begin each line of both outputs with a name, inside the block.

    Bars, which only a terminal shows, become lines.

    Args:
        name: Of what runs.
    """
    out, err = (_NamedLines(name, s) for s in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            yield
        finally:
            for stream in (out, err):
                if stream._rest:
                    stream.write('\n')
