# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Ctrl-C while a tool still imports its libraries, which takes seconds."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

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
        return any(word.startswith('mmuda.') for word in sys.orig_argv)
    file = getattr(sys.modules.get('__main__'), '__file__', None)
    return file is not None and any(
        folder.name == 'tools' and (folder / 'dist_train.sh').is_file()
        for folder in Path(file).resolve().parents
    )
