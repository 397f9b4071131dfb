# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Ending with the process that this one was started by."""

import os
import signal
import threading
import time
from pathlib import Path

# Set for the processes that a tool starts.
STARTED_BY = 'MMUDA_STARTED_BY'
# Set by torchrun for those that it starts.
_TORCHRUN = 'TORCHELASTIC_RUN_ID'
_SECONDS_TO_SAVE = 60.0
_POLL_SECONDS = 0.5


def parent_to_follow() -> int | None:
    """Process without which this one has no reason to go on.

    Returns:
        Its id if it is one of our tools or torchrun, else None: a shell may
        end before what runs in its background.
    """
    parent = os.getppid()
    if os.environ.get(STARTED_BY) == str(parent) or _TORCHRUN in os.environ:
        return parent
    return None


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs.

    Args:
        pid: Its id.
    """
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


def exit_with(parent: int) -> None:
    """Let this process end at once when its parent was killed.

    Args:
        parent: Id of the process that has started this one.
    """
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: int) -> None:
    _wait_for_end_of(parent)
    os._exit(1)


def _follow(parent: int, seconds_to_save: float) -> None:
    _wait_for_end_of(parent)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds_to_save)
    os._exit(1)


def _wait_for_end_of(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
