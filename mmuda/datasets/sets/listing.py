# Copyright (c) mmuda authors.
"""Finding the files of a data set, one listing a folder and no stat a file."""

import os
from collections import Counter, deque
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Sequence,
)
from typing import NamedTuple

from mmengine.logging import MMLogger

from mmuda.utils.errors import DataError

IMAGE_EXTENSIONS = frozenset(
    (
        *('.bmp', '.gif', '.jp2', '.jpeg', '.jpg', '.pgm', '.png', '.ppm'),
        *('.tif', '.tiff', '.webp'),
    )
)
# What is opened if its name says so; other names are passed over.
_OPENED = IMAGE_EXTENSIONS | {'.json', '.npz'}
# Made by systems beside the data: of macOS, Synology and Windows.
_NOT_DATA = frozenset(
    ('$RECYCLE.BIN', '@eaDir', 'System Volume Information', '__MACOSX')
)


class _Folder(NamedTuple):
    """A folder on the way: its path, key prefix and how it was reached."""

    path: str
    prefix: str
    above: frozenset
    is_repeat: bool = False


def require_folder(path: str, option: str, data_root: str | None) -> None:
    """Raise a DataError if ``path``, set by ``option``, is no folder."""
    if data_root and not os.path.isdir(data_root):
        raise DataError(
            f'data_root {data_root!r} is not a folder; download the data '
            'there, or set data_root in the dataset config'
        )
    if not os.path.isdir(path):
        raise DataError(
            f'folder {path!r} does not exist; correct {option} in the '
            'dataset config, or complete the download'
        )


def list_files(folder: str, repeats: bool = False) -> list[str]:
    """Find all files below a folder.

    Hidden files and folders and those that systems make (``__MACOSX``) are
    left out. Symbolic links are followed, but never around in a circle.

    Args:
        folder: The folder.
        repeats: Whether a folder that is reached twice, through a symbolic
            link, is listed twice. Labels may be shared like this; of images
            it would count the same ones several times, so the second time is
            left out with a warning.

    Returns:
        Paths relative to ``folder`` with ``/``.

    Raises:
        DataError: If a folder can't be read, or what has the name of an image
            or a label is a pipe, a socket or a device.
    """
    found: list[str] = []
    first: dict[tuple[int, int], str] = {}
    # Real folders come first, so that a link gives way to what it points to.
    real = deque([_Folder(folder, '', frozenset())])
    linked: deque[_Folder] = deque()
    while real or linked:
        place = (real or linked).popleft()
        identity = _identity(place.path)
        if identity in place.above:
            continue
        is_repeat = identity in first
        if is_repeat and not repeats:
            MMLogger.get_current_instance().warning(
                f'{place.path!r} is the folder {first[identity]!r} again '
                '(symbolic link): its files are used once'
            )
            continue
        first.setdefault(identity, place.path)
        for entry in _entries(place.path):
            if _is_folder(entry):
                below = _Folder(
                    entry.path,
                    f'{place.prefix}{entry.name}/',
                    place.above | {identity},
                    is_repeat,
                )
                if not entry.is_symlink():
                    real.append(below)
                elif not is_repeat:
                    linked.append(below)
            else:
                _require_file(entry)
                found.append(place.prefix + entry.name)
    return found


def _identity(folder: str) -> tuple[int, int]:
    try:
        status = os.stat(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return status.st_dev, status.st_ino


def _unreadable(folder: str, error: OSError) -> DataError:
    return DataError(f'cannot list the folder {folder!r}: {error.strerror}')


def _entries(folder: str) -> Iterator[os.DirEntry]:
    """Yield what a folder holds that may be data, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for entry in found:
        if not entry.name.startswith('.') and entry.name not in _NOT_DATA:
            yield entry


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself: told when it is read, if it ever is.
        return False


def _require_file(entry: os.DirEntry) -> None:
    # Both are known without asking the disk.
    if entry.is_symlink() or entry.is_file(follow_symlinks=False):
        return
    if os.path.splitext(entry.name)[1].lower() in _OPENED:
        raise DataError(
            f'{entry.path!r} is a pipe, a socket or a device, not a file; '
            'remove it'
        )


def list_keys(folder: str, suffix: str) -> set[str]:
    """Find all files below ``folder`` that end in ``suffix``.

    Returns:
        Paths as of :func:`list_files`, without the suffix.

    Raises:
        DataError: As of :func:`list_files`.
    """
    files = list_files(folder, repeats=True) if os.path.isdir(folder) else []
    return {
        name.removesuffix(suffix) for name in files if name.endswith(suffix)
    }


def keys_with_suffix(
    files: Iterable[str], suffixes: Sequence[str], folder: str
) -> dict[str, str]:
    """Return the suffix of each file that has one of some, by its key.

    Args:
        files: Paths as of :func:`list_files`.
        suffixes: How names may end.
        folder: Where the files are, for the message.

    Raises:
        DataError: If two files differ in their suffix only.
    """
    found: dict[str, str] = {}
    # Of .png and _rgb.png the longer one is meant.
    ordered = sorted(suffixes, key=len, reverse=True)
    for name in files:
        suffix = next((s for s in ordered if name.endswith(s)), None)
        if suffix is None:
            continue
        key = name.removesuffix(suffix)
        if key in found:
            raise DataError(
                f'{key + found[key]!r} and {name!r} in {folder!r} differ in '
                f'their suffix only, so both have the key {key!r}; rename '
                'one of them, or leave one suffix out of img_suffix'
            )
        found[key] = suffix
    return found


def other_images(
    files: Iterable[str], keys: Collection[str], suffixes: Sequence[str]
) -> Counter:
    """Count images whose suffix is none of those asked for.

    Images of a key that was found anyway, such as labels in the same folder,
    do not count, nor do those whose names do not follow the suffix (of
    ``_rgb.png`` only ``_rgb.*`` does).

    Args:
        files: Paths as of :func:`list_files`.
        keys: Keys that were found.
        suffixes: How names of images end.

    Returns:
        Numbers of files by suffix, such as ``.webp`` or ``_rgb.webp``.
    """
    # Of those that fit the longest is meant.
    stems = sorted(map(stem_of, suffixes), key=len, reverse=True)
    counts: Counter = Counter()
    for name in files:
        if name.endswith(tuple(suffixes)):
            continue
        stem, extension = os.path.splitext(name)
        if extension.lower() not in IMAGE_EXTENSIONS:
            continue
        for end in stems:
            if stem.endswith(end) and stem.removesuffix(end) not in keys:
                counts[end + extension] += 1
                break
    return counts


def stem_of(suffix: str) -> str:
    """Return what stands before the extension in a suffix of names."""
    return os.path.splitext('x' + suffix)[0][1:]


def require_keys(
    keys: Iterable[str],
    found: Collection[str],
    path_of: Callable[[str], str],
    suffix: str,
    reason: str,
) -> None:
    """Raise a DataError if a key has no file.

    Args:
        keys: Keys that are needed.
        found: Keys that have a file.
        path_of: Gives the path of a name, for the message.
        suffix: How their names end, for the message.
        reason: What to do about it, for the message.
    """
    missing = [key for key in keys if key not in found]
    if missing:
        first = path_of(missing[0] + suffix)
        raise DataError(
            f'{len(missing)} file(s) are missing, the first is {first!r}; '
            f'{reason}'
        )
