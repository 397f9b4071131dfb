# Copyright (c) mmuda authors.
"""Reading JSON files that somebody may have damaged."""

import codecs
import json
import math
import os
import stat
from collections import Counter
from typing import Any

from mmuda.utils.errors import DataError
from mmuda.utils.value_types import find_fault
from mmuda.version import __version__

MAX_BYTES = 256 * 2**20
_FORMAT, _WRITER = 'format_version', 'mmuda_version'


def read_json(
    path: str | os.PathLike,
    remedy: str,
    kind: Any = dict[str, Any],
    allow_nan: bool = False,
    newest: int | None = None,
) -> Any:
    """Read a JSON file that a program wrote.

    Args:
        path: The file.
        remedy: What to do about a damaged one, for the message.
        kind: What has to be in it; see
            :func:`mmuda.utils.value_types.find_fault`.
        allow_nan: As of :func:`parse_json`.
        newest: As of :func:`parse_json`.

    Raises:
        DataError: It is missing, no plain file, too large, no JSON, of a
            later format, or holds something else; names the file and the
            place in it.
    """
    data = read_plain_file(path, remedy)
    return parse_json(data, path, remedy, kind, allow_nan, newest)


def written_format(version: int) -> dict[str, Any]:
    """Entries that tell later readers what wrote a file.

    Args:
        version: Of the file's format.
    """
    return {_FORMAT: version, _WRITER: __version__}


def parse_json(
    data: bytes,
    path: str | os.PathLike,
    remedy: str,
    kind: Any = dict[str, Any],
    allow_nan: bool = False,
    newest: int | None = None,
) -> Any:
    """Read the content of a JSON file.

    UTF-8 with and without a byte-order mark is read. A key that occurs twice
    in an object, ``NaN`` and infinite numbers are refused: JSON has no such
    things, and each would mean something else to each reader.

    Args:
        data: The content.
        path: The file's name, for messages.
        remedy: What to do about damaged content, for messages.
        kind: As of :func:`read_json`.
        allow_nan: Whether metrics may be NaN, as Python writes them.
        newest: Format up to which this mmuda reads it, if the file tells its
            own (``format_version``); a file that does not is of before.

    Raises:
        DataError: It is no JSON, of a later format, or something else than
            asked for.
    """
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode('utf-8')
        content = json.loads(
            text,
            object_pairs_hook=unique_keys,
            parse_constant=float if allow_nan else _refuse,
            parse_float=float if allow_nan else _finite,
        )
    except RecursionError:
        raise _damaged(path, 'is nested too deeply', remedy) from None
    except ValueError as error:
        # Of a wrong encoding, too.
        raise _damaged(path, f'is no JSON ({error})', remedy) from error
    if newest is not None:
        _require_known_format(content, path, remedy, newest)
    fault = find_fault(content, kind)
    if fault is not None:
        expected = fault.expected.replace('dict(...)', 'a JSON object')
        text = f'has {fault}' if fault.place else f'is not {expected}'
        raise _damaged(path, text, remedy)
    return content


def read_plain_file(
    path: str | os.PathLike, remedy: str, max_bytes: int = MAX_BYTES
) -> bytes:
    """Read a whole file, but no pipe or device, which may never end.

    Args:
        path: The file.
        remedy: What to do about an unreadable one, for the message.
        max_bytes: Largest size to read.

    Raises:
        DataError: It can't be read, is no plain file or too large.
    """
    name = os.fspath(path)
    try:
        # A pipe without a writer would be waited for.
        number = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(number, 'rb') as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(
                    f'cannot read {name!r}: it is no plain file; {remedy}'
                )
            if status.st_size > max_bytes:
                raise DataError(
                    f'cannot read {name!r}: {status.st_size} bytes are more '
                    f'than the {max_bytes} that such a file may have; '
                    f'{remedy}'
                )
            return file.read()
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, 'strerror', None) or error
        raise DataError(f'cannot read {name!r}: {reason}; {remedy}') from error


def without_nan(content: Any) -> Any:
    """Replace numbers that JSON does not have by None, at any depth.

    Args:
        content: Numbers, texts, and lists, tuples and dicts of them.
    """
    if isinstance(content, dict):
        return {name: without_nan(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _damaged(path: str | os.PathLike, fault: str, remedy: str) -> DataError:
    return DataError(f'{os.fspath(path)!r} is damaged: it {fault}; {remedy}')


def _require_known_format(
    content: Any, path: str | os.PathLike, remedy: str, newest: int
) -> None:
    version = content.get(_FORMAT) if isinstance(content, dict) else None
    if isinstance(version, int) and version > newest:
        raise DataError(
            f'{os.fspath(path)!r} has the format {version}, written by mmuda '
            f'{content.get(_WRITER)}; this is mmuda {__version__}, which '
            f'reads up to {newest}: install a later one, or {remedy}'
        )


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of pairs, for ``object_pairs_hook``.

    Raises:
        ValueError: A key occurs twice; readers differ in which one counts.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f'{twice!r} occurs twice in an object')
    return found


def _refuse(name: str) -> None:
    raise ValueError(f'{name} is no number of JSON')


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f'{text} is too large a number')
    return number
