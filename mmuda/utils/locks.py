# Copyright (c) mmuda authors.
"""One run at a time writes a folder of results."""

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import lock_descriptor
from mmengine.dist import barrier, is_main_process

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import (
    remove_dead_temporaries,
    require_writable_folder,
)
from mmuda.utils.processes import is_alive, parent_to_follow
from mmuda.utils.tool_commands import present_command

LOCK = '.lock'
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
# Someone may just be looking whether the folder is locked.
_SECONDS = 1.0
# Processes of a killed run save and end by themselves, see `parents`.
_ORPHAN_SECONDS = 120.0
_MAX_COMMAND = 300
# JSON writes a character in up to twelve.
_MAX_HOLDER = 16 * _MAX_COMMAND
# Windows locks the first byte against reading, too: the text begins after it.
_TEXT_BEGINS = 1


def locked_folder(path: str | os.PathLike, option: str) -> IO:
    """Keep other processes from writing the same results.

    The lock holds until the file is closed and all processes that were
    started meanwhile have ended, even if this one is killed (on Windows only
    until this one ends: locks are not inherited there). What writes that
    were killed have left in the folder is removed. Where the file system
    knows no locks, this is said and nothing is locked.

    Args:
        path: The folder, which exists.
        option: What set it, for the message.

    Returns:
        The locked file.

    Raises:
        ConfigError: Another process holds the lock; names it.
    """
    path = Path(path)
    file = _open(path, option)
    try:
        _acquire(file, path, option)
    except BaseException:
        file.close()
        raise
    os.set_inheritable(file.fileno(), True)
    _describe_holder(file)
    remove_dead_temporaries(path)
    return file


@contextmanager
def only_writer(**folders: str | os.PathLike | None) -> Iterator[None]:
    """Lock folders of results for a run; its processes all call it.

    Args:
        **folders: Made if missing, by the option that sets them, with ``_``
            for ``-``; None is left out, and one that is given twice is
            locked once.

    Raises:
        ConfigError: A folder can't be written to, or another run does so.
    """
    given = {
        Path(path).resolve(): (path, '--' + name.replace('_', '-'))
        for name, path in folders.items()
        if path is not None
    }
    with ExitStack() as held:
        if is_main_process():
            for path, option in given.values():
                require_writable_folder(path, option)
                held.enter_context(locked_folder(path, option))
        # Nobody looks for a checkpoint that is still being written.
        barrier()
        yield


def is_locked(path: str | os.PathLike) -> bool:
    """Whether a process holds the lock of :func:`locked_folder`.

    Args:
        path: The folder.
    """
    # Others may just be looking, too.
    for _ in range(3):
        try:
            with _opened_to_look(Path(path, LOCK)) as file:
                if lock_descriptor(file.fileno(), blocking=False):
                    return False
        except OSError:
            return False
        time.sleep(0.05)
    return True


def _opened_to_look(path: Path) -> IO:
    try:
        # Network file systems lock only what may be written.
        return open(path, 'r+b')
    except PermissionError:
        return open(path, 'rb')


def _open(path: Path, option: str) -> IO:
    try:
        # Not emptied: it tells who holds the lock.
        return open(path / LOCK, 'a+', encoding='utf-8')
    except OSError as error:
        raise ConfigError(
            f'{option}: cannot write to {str(path / LOCK)!r} '
            f'({error.strerror}); choose another folder'
        ) from error


def _acquire(file: IO, path: Path, option: str) -> None:
    start, told = time.monotonic(), False
    while True:
        try:
            if lock_descriptor(file.fileno(), blocking=False):
                return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _tell(
                f'{option}: the disk of {str(path)!r} knows no locks '
                f'({error.strerror}); see to it yourself that no other '
                'process writes there'
            )
            return
        holder = _read_holder(file)
        orphaned = _has_ended(holder)
        limit = _ORPHAN_SECONDS if orphaned else _SECONDS
        if time.monotonic() - start > limit:
            raise ConfigError(
                f'{option}: another process works in {str(path)!r}'
                f'{_text_of(holder)}; wait for it, end it or choose another '
                'folder'
            )
        if orphaned and not told:
            told = True
            _tell(
                f'{option}: waiting for what is left of a run that was killed '
                f'in {str(path)!r}{_text_of(holder)}'
            )
        time.sleep(0.1)


def _tell(text: str) -> None:
    print(f'warning: {text}', file=sys.stderr, flush=True)


def _describe_holder(file: IO) -> None:
    command = present_command()
    content = dict(
        pid=os.getpid(),
        host=socket.gethostname(),
        since=time.strftime('%Y-%m-%d %H:%M:%S'),
        command=command[:_MAX_COMMAND],
        started_by=parent_to_follow(),
    )
    # The lock holds without it, on a full disk, too. Not buffered: closing
    # the file would fail once more.
    with suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        text = ' ' * _TEXT_BEGINS + json.dumps(content) + '\n'
        os.write(file.fileno(), text.encode())


def _read_holder(file: IO) -> dict:
    try:
        file.seek(_TEXT_BEGINS)
        holder = json.loads(file.read(_MAX_HOLDER))
        return holder if isinstance(holder.get('pid'), int) else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _has_ended(holder: dict) -> bool:
    """Whether only processes are left that the holder has started."""
    if holder.get('host') != socket.gethostname():
        return False
    started_by = holder.get('started_by')
    return not is_alive(holder['pid']) or (
        isinstance(started_by, int) and not is_alive(started_by)
    )


def _text_of(holder: dict) -> str:
    if not holder:
        return ''
    return (
        f' (process {holder["pid"]} on {holder.get("host")} since '
        f'{holder.get("since")}: {holder.get("command")})'
    )
