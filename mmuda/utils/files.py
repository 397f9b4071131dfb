# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Writing files so that a reader never sees half of one."""

import errno
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmuda.utils.errors import ConfigError, DataError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)


@contextmanager
def atomic_path(
    path: str | os.PathLike, temporary_folder: Path | None = None
) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` if the block succeeds.

    The temporary file keeps the extension, so that writers which choose the
    format by it (OpenCV, Pillow) work, and the final rename is atomic. The
    content is on the disk before the rename and the rename before the block
    is left: a power cut leaves the old file or the new one, too. On an error
    the temporary file is removed.

    Args:
        path: Final path; its folder is made if missing.
        temporary_folder: Where the temporary file lies, on the same disk: a
            killed process leaves it there. By default next to ``path``.

    Raises:
        DataError: If the disk, or the user's share of it, is full.
    """
    path = Path(path)
    with _disk_full_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f'.{path.stem}.{secrets.token_hex(4)}{path.suffix}'
        temporary = (temporary_folder or path.parent) / name
        # The umask is that of all threads: let the system apply it.
        temporary.touch(0o666, exist_ok=False)
        mode = temporary.stat().st_mode
        try:
            yield temporary
            # Some writers replace the file by a private one of theirs.
            temporary.chmod(stat.S_IMODE(mode))
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def atomic_write(
    path: str | os.PathLike,
    content: bytes | str,
    temporary_folder: Path | None = None,
) -> None:
    """Write ``content`` to ``path``; an old file stays until it is whole.

    Args:
        path: Final path; its folder is made if missing.
        content: Of the file.
        temporary_folder: As of :func:`atomic_path`.

    Raises:
        DataError: If the disk, or the user's share of it, is full.
    """
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path, temporary_folder) as temporary:
        temporary.write_bytes(data)


def require_writable_folder(path: str | os.PathLike, option: str) -> None:
    """Make a folder if it is missing, and try to write into it.

    Args:
        path: The folder.
        option: What set it, for the message.

    Raises:
        ConfigError: The folder can't be made or written to.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ConfigError(
            f'{option}: cannot write to {str(path)!r} ({error.strerror}); '
            'choose another folder'
        ) from error


def locked_folder(path: Path, option: str) -> IO:
    """Keep other processes from writing the same results.

    The lock holds until the file is closed and all processes that were
    started meanwhile have ended, even if this one is killed.

    Args:
        path: The folder.
        option: What set it, for the message.

    Returns:
        The locked file.

    Raises:
        ConfigError: Another process holds the lock.
    """
    file = open(path / '.lock', 'w')  # noqa: SIM115 (open until the end)
    os.set_inheritable(file.fileno(), True)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigError(
            f'{option}: another process works in {str(path)!r}; wait for it '
            'or choose another folder'
        ) from error
    return file


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of :func:`locked_folder`.

    Args:
        path: The folder.
    """
    try:
        locked_folder(path, '').close()
    except FileNotFoundError:
        return False
    except ConfigError:
        return True
    return False


def _sync(path: Path) -> None:
    """Wait until the content of a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync folders.
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _disk_full_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise DataError(
            f'disk full: cannot write {str(path)!r} ({error.strerror}); make '
            'space and start again'
        ) from error
