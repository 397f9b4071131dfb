# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Writing files so that a reader never sees half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmuda.utils.errors import ConfigError


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` if the block succeeds.

    The temporary file lies in the same folder and keeps the extension, so
    that writers which choose the format by it (OpenCV, Pillow) work, and the
    final rename is atomic. On an error the temporary file is removed.

    Args:
        path: Final path; its folder is made if missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        prefix=f'.{path.stem}.', suffix=path.suffix, dir=path.parent
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike, content: bytes | str) -> None:
    """Write ``content`` to ``path``; an old file stays until it is whole."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
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
