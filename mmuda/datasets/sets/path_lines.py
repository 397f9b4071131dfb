# Copyright (c) mmuda authors.
"""Reading and checking text files of one path or key a line."""

import codecs
import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmuda.datasets.images.image_io import read_bytes
from mmuda.datasets.sets.listing import IMAGE_EXTENSIONS
from mmuda.utils.errors import DataError

# A list of a million paths is a tenth of it.
MAX_LIST_BYTES = 2**30
_MOST_LINES = 5  # that a message names
# Those of UTF-32 begin like those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF32_LE, 'utf-32'),
    (codecs.BOM_UTF32_BE, 'utf-32'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
_SEVERAL = re.compile(
    rf'\S({"|".join(map(re.escape, sorted(IMAGE_EXTENSIONS)))})[\s,;]+\S',
    re.IGNORECASE,
)


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


def read_lines(path: str) -> list[tuple[int, str]]:
    """Read the lines of a text list, each with its number from 1.

    UTF-8, and UTF-16 or UTF-32 with the mark that editors begin it with; line
    ends of any system. Blank lines are left out.

    Args:
        path: The text file.

    Returns:
        Number and text of each line; none if all are blank.

    Raises:
        DataError: If the list can't be read or is no text.
    """
    data = read_bytes(path, MAX_LIST_BYTES)
    encoding = next((e for mark, e in _MARKS if data.startswith(mark)), None)
    try:
        content = data.decode(encoding or 'utf-8')
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        name = (encoding or 'utf-8').upper().removesuffix('-SIG')
        raise DataError(
            f'list {path!r} is no {name} text ({error.reason} at byte '
            f'{error.start}, line {line}); save it as UTF-8, one path a line'
        ) from error
    if '\0' in content:
        raise DataError(
            f'list {path!r} is no UTF-8 text (it holds zero bytes); save it '
            'as UTF-8, one path a line'
        )
    # Not splitlines(), which also ends lines at marks that names may hold.
    lines = content.replace('\r\n', '\n').replace('\r', '\n').split('\n')
    # Lists that were put together have a mark in the middle, too.
    texts = (line.lstrip('\ufeff').strip() for line in lines)
    return [(n, text) for n, text in enumerate(texts, start=1) if text]


def read_path_lines(path: str, data_root: str | None) -> list[PathLine]:
    """Read a list of paths.

    Blank lines are left out, as are those that begin with ``#``, and
    backslashes are taken for ``/``, where there is no file of that name.

    Args:
        path: The text file, see :func:`read_lines`.
        data_root: Folder of relative paths; by default that of the list.

    Raises:
        DataError: If the list is missing, no text or empty.
    """
    if not os.path.isfile(path):
        raise DataError(
            f'list {path!r} does not exist; correct its path (in a dataset '
            'config: image_list, label_list, data_root)'
        )
    folder = data_root or os.path.dirname(path)
    lines = []
    for number, text in read_lines(path):
        place = os.path.join(folder, text)
        if text.startswith('#') and not os.path.exists(place):
            continue
        if '\\' in text and not os.path.exists(place):
            place = os.path.join(folder, text.replace('\\', '/'))
        lines.append(PathLine(number, text, os.path.abspath(place)))
    if not lines:
        raise DataError(f'list {path!r} is empty; list one path a line')
    return lines


def require_distinct(
    list_path: str, entries: Iterable[tuple[str, int]], what: str = 'path'
) -> None:
    """Raise a DataError that names the lines if one is listed twice.

    Args:
        list_path: The list.
        entries: What is listed, and in which line.
        what: It is, for the message.
    """
    lines: dict[str, list[int]] = {}
    for entry, number in entries:
        lines.setdefault(entry, []).append(number)
    repeated = {entry: n for entry, n in lines.items() if len(n) > 1}
    if repeated:
        entry, numbers = next(iter(repeated.items()))
        raise DataError(
            f'{list_path}: {plural(len(repeated), what)} listed more than '
            f'once, the first is {entry!r} ({at_lines(numbers)}); leave one '
            'of them'
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
            f'missing ({at_lines(numbers)}), the first is '
            f'{missing[0].path!r}; {several_hint(missing[0].text)}correct '
            'the list, or set data_root to the folder that its relative '
            'paths are below'
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


def at_lines(numbers: Sequence[int]) -> str:
    """Name lines, the first ones if there are many."""
    shown = ', '.join(str(number) for number in numbers[:_MOST_LINES])
    more = ', …' if len(numbers) > _MOST_LINES else ''
    return f'line{"s" if len(numbers) > 1 else ""} {shown}{more}'


def several_hint(text: str) -> str:
    """Return a clause for a message if a line names several files."""
    if _SEVERAL.search(text) is None:
        return ''
    return (
        'it seems to name several files, but a line is one path (two lists, '
        'of images and labels: PathListDataset); '
    )
