# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading and checking text files of one path a line."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mmuda.utils.errors import DataError

_MOST_LINES = 5  # that a message names


class PathLine(NamedTuple):
    """A path and where it was listed.

    Attributes:
        number: Number of the line, from 1.
        text: What the line says.
        path: The absolute path.
    """

    number: int
    text: str
    path: str


def find_list(path: str, data_root: str | None) -> str:
    """Return where a list lies.

    Args:
        path: Path of the list as configured.
        data_root: Folder that a relative path is below, if it is there;
            otherwise it is below the working directory.
    """
    if data_root:
        below = os.path.join(data_root, path)
        if os.path.isfile(below) or not os.path.isfile(path):
            return below
    return path


def read_path_lines(path: str, data_root: str | None) -> list[PathLine]:
    """Read a list of paths.

    Blank lines and those that begin with ``#`` are left out.

    Args:
        path: The text file, UTF-8.
        data_root: Folder of relative paths; by default that of the list.

    Raises:
        DataError: If the list is missing, no text or empty.
    """
    if not os.path.isfile(path):
        raise DataError(
            f'list {path!r} does not exist; correct its path (in a dataset '
            'config: image_list, label_list, data_root)'
        )
    try:
        # As written by editors that begin a file with a mark, too.
        content = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise DataError(
            f'list {path!r} is no UTF-8 text ({error.reason} at byte '
            f'{error.start}); it must hold one path a line'
        ) from error
    folder = data_root or os.path.dirname(path)
    lines = []
    # Not splitlines(), which also ends lines at marks that names may hold.
    for number, line in enumerate(content.split('\n'), start=1):
        text = line.strip()
        if text and not text.startswith('#'):
            place = os.path.abspath(os.path.join(folder, text))
            lines.append(PathLine(number, text, place))
    if not lines:
        raise DataError(f'list {path!r} is empty; list one path a line')
    return lines


def require_distinct(list_path: str, lines: Sequence[PathLine]) -> None:
    """Raise a DataError that names the lines if a path is listed twice."""
    places: dict[str, list[int]] = {}
    for line in lines:
        places.setdefault(line.path, []).append(line.number)
    repeated = {path: n for path, n in places.items() if len(n) > 1}
    if repeated:
        path, numbers = next(iter(repeated.items()))
        raise DataError(
            f'{list_path}: {plural(len(repeated), "path")} listed more than '
            f'once, the first is {path!r} ({_at(numbers)}); leave one of '
            'them'
        )


def require_files(list_path: str, lines: Sequence[PathLine]) -> None:
    """Raise a DataError that names the lines if paths are no files.

    Folders are listed once each instead of asking for every file, which takes
    minutes on a network disk.
    """
    folders: dict[str, set[str]] = {}
    missing = []
    for line in lines:
        folder, name = os.path.split(line.path)
        if folder not in folders:
            folders[folder] = _files_in(folder)
        if name not in folders[folder]:
            missing.append(line)
    if missing:
        numbers = [line.number for line in missing]
        raise DataError(
            f'{list_path}: {plural(len(missing), "file")} of {len(lines)} '
            f'missing ({_at(numbers)}), the first is {missing[0].path!r}; '
            'correct the list, or set data_root to the folder that its '
            'relative paths are below'
        )


def common_folder(lines: Iterable[PathLine]) -> str:
    """Return the deepest folder that all files are below."""
    return os.path.commonpath({os.path.dirname(line.path) for line in lines})


def key_of(path: str, folder: str) -> str:
    """Return a path below a folder with ``/`` and without its extension."""
    stem = os.path.splitext(os.path.relpath(path, folder))[0]
    return stem.replace(os.sep, '/')


def plural(count: int, word: str) -> str:
    """Write a number of things, such as ``2 files``."""
    return f'{count} {word}' if count == 1 else f'{count} {word}s'


def _files_in(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def _at(numbers: Sequence[int]) -> str:
    """Name lines, the first ones if there are many."""
    shown = ', '.join(str(number) for number in numbers[:_MOST_LINES])
    more = ', …' if len(numbers) > _MOST_LINES else ''
    return f'line{"s" if len(numbers) > 1 else ""} {shown}{more}'
