# Copyright (c) mmuda authors.
"""Images as they are after loading and resizing, kept on a disk.

An entry is plain data: a header, JSON and the bytes of arrays, with a checksum
of all. Nothing in it is ever executed.
"""

import json
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from mmengine.logging import print_log

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import require_writable_folder

_MAGIC = b'mmudaC01'
# Magic, checksum of what follows, length of the JSON.
_HEADER = struct.Struct('<8sII')
# Bytes of all entries, and whether it was told that no more are written.
_STATE = struct.Struct('<QQ')
_SUFFIX, _TEMPORARY = '.cache', '.tmp'
_LOCK_SECONDS = 30.0
# Arrays of these types only, so that nothing else is made of a file.
_TYPES = ('uint8', 'uint16', 'int32', 'int64', 'float32')

# What is raised by content that is not as it was written.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError)

Arrays = Mapping[str, np.ndarray]


@dataclass
class ImageCache:
    """Entries of arrays and plain values, with a limit of their bytes.

    Any number of processes may read and write: entries appear by one rename,
    and the sum of their sizes is kept under a lock. An entry that is damaged,
    or of another source, counts as missing and is written anew. When the
    limit is reached, or the disk is full, one of the processes says so in one
    line, and what is there goes on to be read.

    Attributes:
        folder: Where the entries are; made if missing.
        max_gb: Size of all entries together, in 10^9 bytes.

    Raises:
        ConfigError: The folder can't be written.
    """

    folder: Path
    max_gb: float

    def __post_init__(self) -> None:
        require_writable_folder(self.folder, 'image_cache.folder')
        self._is_full = False
        try:
            with self._locked():
                self._settle()
        except (OSError, Timeout) as error:
            raise ConfigError(
                f'image_cache.folder={str(self.folder)!r}: cannot lock it '
                f'({error}); choose a folder on a local disk'
            ) from error

    def read(self, name: str, source: str) -> tuple[dict, Arrays] | None:
        """Read an entry.

        Args:
            name: Of the entry.
            source: What it must have been made of.

        Returns:
            Values and arrays, which may be changed; None if there is no such
            entry, or one that is damaged or of another source.
        """
        try:
            with self._path(name).open('rb') as file:
                data = bytearray(os.fstat(file.fileno()).st_size)
                file.readinto(data)
            return _decode(data, source)
        except (OSError, RecursionError, struct.error, *_DAMAGE):
            return None

    def write(
        self, name: str, source: str, values: Mapping, arrays: Arrays
    ) -> None:
        """Write an entry, if there is room for it.

        Args:
            name: Of the entry; another one of this name is replaced.
            source: What it is made of.
            values: Plain values, as JSON has them.
            arrays: Arrays by name.
        """
        if self._is_full:
            return
        try:
            data = _encode(source, values, arrays)
            with self._locked():
                self._write(self._path(name), data)
        except (OSError, Timeout) as error:
            self._give_up(str(error))

    def _write(self, path: Path, data: bytes) -> None:
        used, told = self._state()
        if used + len(data) > self.max_gb * 1e9:
            raise OSError(f'it holds its max_gb={self.max_gb:g}')
        # First, so that a process that is killed here has counted too much.
        self._set_state(used + len(data), told)
        temporary = path.with_suffix(_TEMPORARY)
        try:
            path.parent.mkdir(exist_ok=True)
            temporary.write_bytes(data)
            with suppress(FileNotFoundError):
                used -= path.stat().st_size
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            self._set_state(used, told)
            raise
        self._set_state(used + len(data), told)

    def _give_up(self, reason: str) -> None:
        """Write no more, and say why, if no other process has."""
        self._is_full = True
        with suppress(OSError, Timeout), self._locked():
            used, told = self._state()
            if told:
                return
            # In place: also a full disk takes it.
            self._set_state(used, 1)
        print_log(
            f'image_cache {str(self.folder)!r}: no more images are added, '
            f'{reason}; the others are read from their files',
            logger='current',
        )

    def _settle(self) -> None:
        """Count what is there, without what killed processes have left."""
        found = []
        for entry in self.folder.glob(f'*/*{_TEMPORARY}'):
            entry.unlink(missing_ok=True)
        for entry in self.folder.glob(f'*/*{_SUFFIX}'):
            status = entry.stat()
            found.append((status.st_mtime_ns, status.st_size, entry))
        used = sum(size for _, size, _ in found)
        for _, size, entry in sorted(found):
            if used <= self.max_gb * 1e9:
                break
            entry.unlink(missing_ok=True)
            used -= size
        if not self._state_path.exists():
            self._state_path.write_bytes(_STATE.pack(0, 0))
        self._set_state(used, 0)

    def _locked(self) -> BaseFileLock:
        # A new one each time: processes that are forked share no lock.
        return FileLock(self.folder / '.lock', timeout=_LOCK_SECONDS)

    @property
    def _state_path(self) -> Path:
        return self.folder / '.state'

    def _state(self) -> tuple[int, int]:
        try:
            used, told = _STATE.unpack(self._state_path.read_bytes())
        except struct.error as error:
            raise OSError(f'{str(self._state_path)!r} is damaged') from error
        return used, told

    def _set_state(self, used: int, told: int) -> None:
        with self._state_path.open('r+b') as file:
            file.write(_STATE.pack(used, told))

    def _path(self, name: str) -> Path:
        digest = sha256(name.encode()).hexdigest()
        return self.folder / digest[:2] / f'{digest[2:40]}{_SUFFIX}'


def _encode(source: str, values: Mapping, arrays: Arrays) -> bytes:
    shapes = {name: [a.dtype.name, a.shape] for name, a in arrays.items()}
    about = dict(source=source, values=values, arrays=shapes)
    text = json.dumps(about).encode()
    body = b''.join([text, *(array.tobytes() for array in arrays.values())])
    return _HEADER.pack(_MAGIC, crc32(body), len(text)) + body


def _decode(data: bytearray, source: str) -> tuple[dict, Arrays]:
    """Values and arrays of an entry.

    Raises:
        ValueError: It is damaged or of another source; or another error of
            what is expected of it.
    """
    magic, checksum, length = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    if magic != _MAGIC or crc32(body) != checksum:
        raise ValueError('damaged')
    about: dict[str, Any] = json.loads(bytes(body[:length]))
    if about['source'] != source:
        raise ValueError('of another source')
    arrays, at = {}, _HEADER.size + length
    for name, (kind, shape) in about['arrays'].items():
        if kind not in _TYPES:
            raise ValueError(f'no arrays of {kind}')
        flat = np.frombuffer(data, kind, int(np.prod(shape)), at)
        arrays[name] = flat.reshape(shape)
        at += flat.nbytes
    return about['values'], arrays
