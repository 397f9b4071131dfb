# Copyright (c) mmuda authors.
"""Files that are written whole or not at all, and read without their code."""

import errno
import io
import json
import logging
import os
import re
import secrets
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import yaml
from filelock import lock_descriptor
from mmengine.fileio import (
    JsonHandler,
    PickleHandler,
    YamlHandler,
    register_handler,
)
from mmengine.logging import print_log

from mmuda.utils.errors import (
    ConfigError,
    DataError,
    DiskFullError,
    MMUDAError,
)
from mmuda.utils.json_files import read_plain_file, unique_keys

# The last one is a limit of the shell (ulimit -f).
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IS_WINDOWS = os.name == 'nt'
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)
_TEMPORARY = re.compile(r'\..+\.[0-9a-f]{8}(\.[^.]*)?')
_PROBE_BYTES = 2**20
_MOST_VALUES = 10**6  # of a YAML file


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
        DataError: ``path`` is a pipe or a device, which it would replace.
        DiskFullError: The disk, or the user's share of it, is full.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(
            f'cannot write {str(path)!r}: it is a pipe, a socket or a device; '
            'choose another name'
        )
    with disk_full_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name that just fits still does with what is added.
        start = path.stem[:40]
        name = f'.{start}.{secrets.token_hex(4)}{path.suffix}'
        temporary = (temporary_folder or path.parent) / name
        # The umask is that of all threads: let the system apply it.
        temporary.touch(0o666, exist_ok=False)
        mode = temporary.stat().st_mode
        try:
            with _marked_as_written(temporary):
                yield temporary
                # Some writers replace the file by a private one of theirs.
                temporary.chmod(stat.S_IMODE(mode))
                _sync(temporary)
                os.replace(temporary, path)
            _sync_folder(path.parent)
        except Exception as error:
            # NumPy's, PyTorch's and other writers hide the reason.
            if _tells_no_reason(error) and not _can_grow(temporary):
                raise _disk_full_error(path, 'no space left') from error
            raise
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
        DiskFullError: The disk, or the user's share of it, is full.
    """
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path, temporary_folder) as temporary:
        temporary.write_bytes(data)


def require_writable_folder(path: str | os.PathLike[str], option: str) -> None:
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


@contextmanager
def disk_full_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raise an error of ours if the disk fills up in the block.

    Args:
        path: What is written, for the message.

    Raises:
        DiskFullError: The disk, or the user's share of it, is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise _disk_full_error(path, error.strerror) from error


def remove_dead_temporaries(folder: str | os.PathLike[str]) -> None:
    """Remove temporary files whose writers were killed.

    Args:
        folder: Is searched with all folders in it.
    """
    for root, _, names in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, names):
            path = Path(root, name)
            with suppress(OSError), path.open('rb') as file:
                if lock_descriptor(file.fileno(), blocking=False):
                    path.unlink()


def _sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    # Windows opens no folders, and others not those that can't be listed.
    with suppress(PermissionError):
        _sync(path)


def _sync(path: Path) -> None:
    """Wait until the content of a file or folder is on the disk."""
    # Windows syncs only what may be written.
    descriptor = os.open(path, os.O_RDWR if _IS_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync folders.
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _marked_as_written(temporary: Path) -> Iterator[None]:
    """Tell :func:`remove_dead_temporaries` that the writer is alive."""
    if _IS_WINDOWS:
        # There an open file can be neither renamed nor removed.
        yield
        return
    with temporary.open('rb') as file:
        with suppress(OSError):
            lock_descriptor(file.fileno(), blocking=False)
        yield


def _tells_no_reason(error: Exception) -> bool:
    known = isinstance(error, MMUDAError)
    return not known and getattr(error, 'errno', None) is None


def _can_grow(temporary: Path) -> bool:
    """Whether there is space; the file is to be removed anyway."""
    try:
        with temporary.open('ab') as file:
            file.write(bytes(_PROBE_BYTES))
    except OSError as error:
        return error.errno not in _DISK_FULL
    return True


def _disk_full_error(
    path: str | os.PathLike, reason: str | None
) -> DiskFullError:
    return DiskFullError(
        f'disk full: cannot write {str(path)!r} ({reason}); make space and '
        'start again'
    )


def install_safe_file_reading() -> None:
    """Replace mmengine's readers of YAML, JSON and pickle files."""
    register_handler(['yaml', 'yml'])(_DataYamlHandler)
    register_handler('json')(_UniqueJsonHandler)
    register_handler(['pickle', 'pkl'])(_NoPickleHandler)


class _UniqueJsonHandler(JsonHandler):
    def load_from_fileobj(self, file: IO, **kwargs) -> Any:
        return json.load(file, object_pairs_hook=unique_keys)


def read_yaml(path: str | os.PathLike, remedy: str) -> Any:
    """Read a YAML file that a user wrote, as data.

    Args:
        path: The file.
        remedy: What to do about a wrong one, for the message.

    Raises:
        ConfigError: It is no YAML, or has a key twice.
        DataError: It can't be read.
    """
    text = read_plain_file(path, remedy)
    try:
        return _DataYamlHandler().load_from_fileobj(io.BytesIO(text))
    except (ConfigError, UnicodeDecodeError, ValueError, yaml.YAMLError) as e:
        reason = ' '.join(str(e).split())
        raise ConfigError(
            f'{os.fspath(path)}: no YAML ({reason}); {remedy}'
        ) from e


class _DataLoader(yaml.SafeLoader):
    """Plain data with each key once, and the tuples that mmengine writes."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict:
        # 1 and '1' are two keys, of two tags.
        written = [(f'{key.tag} {key.value}', None) for key, _ in node.value]
        unique_keys(written)
        return super().construct_mapping(node, deep)


def _tuple(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> tuple:
    return tuple(loader.construct_sequence(node, deep=True))


_DataLoader.add_constructor('tag:yaml.org,2002:python/tuple', _tuple)


class _DataYamlHandler(YamlHandler):
    def load_from_fileobj(self, file: IO, **kwargs) -> Any:
        try:
            content = yaml.load(file, Loader=_DataLoader)
            _require_bounded(content)
            return content
        except yaml.constructor.ConstructorError as error:
            raise ConfigError(
                f'a YAML file is refused ({error.problem}): what is not plain '
                'data could run code'
            ) from error


def _require_bounded(content: Any) -> None:
    """Refuse values whose aliases stand for more than anybody has written."""
    waiting, count = [content], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > _MOST_VALUES:
            raise ConfigError(
                'a YAML file is refused: with its aliases (*) it stands for '
                f'more than {_MOST_VALUES} values, or for itself'
            )
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set):
            waiting.extend(value)


class _NoPickleHandler(PickleHandler):
    def load_from_fileobj(self, file: IO, **kwargs) -> NoReturn:
        name = getattr(file, 'name', 'a pickle')
        raise DataError(
            f'{name}: refused, because a pickle could run code; store the '
            'data as JSON or text'
        )


_MAX_BYTES = 4 << 30  # of all arrays, unpacked
# Whatever zipfile and NumPy say of a damaged file.
_FAULTS = (
    *(EOFError, MemoryError, NotImplementedError, OSError, OverflowError),
    *(RuntimeError, SyntaxError, TypeError, zipfile.BadZipFile, zlib.error),
)


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Read all arrays of an ``npz`` file.

    Each is compared with its checksum as a whole: ``numpy.load`` reads no
    further than an array's header says, and then skips the checksum.

    Args:
        data: The file's content.

    Returns:
        The arrays by name.

    Raises:
        ValueError: It is damaged, of another kind, too large, or holds
            objects; tells what.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            size = sum(info.file_size for info in file.infolist())
            if size > _MAX_BYTES:
                raise ValueError(f'{size} bytes when unpacked are too many')
            return {
                info.filename.removesuffix('.npy'): np.lib.format.read_array(
                    io.BytesIO(file.read(info)), allow_pickle=False
                )
                for info in file.infolist()
            }
    except _FAULTS as error:
        raise ValueError(f'{type(error).__name__}: {error}') from error


_told: set[str] = set()


@contextmanager
def logs_may_fail() -> Iterator[None]:
    """Go on after a block that writes a log if its file can't be written.

    The first time this is told. A full disk ends the run where a checkpoint
    or a result is to be written, not before.
    """
    try:
        yield
    except (OSError, DiskFullError) as error:
        tell_log_error(error)


def tell_log_error(error: BaseException | None) -> None:
    """Warn that logs can't be written, once for each reason.

    Args:
        error: Tells why.
    """
    # A DiskFullError names the file, and each would be told.
    cause = getattr(error, '__cause__', None) or error
    reason = getattr(cause, 'strerror', None) or type(cause).__name__
    if reason in _told:
        return
    _told.add(reason)
    print_log(
        f'a log cannot be written ({error}); the run goes on without it',
        logger='current',
        level=logging.WARNING,
    )
