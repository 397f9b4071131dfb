# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Finding the files of a data set, one listing a folder and no stat a file."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from mmuda.utils.errors import DataError

_IMAGE_EXTENSIONS = {'.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff'}


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


def list_keys(folder: str, suffix: str) -> set[str]:
    """Find all files below ``folder`` that end in ``suffix``.

    Returns:
        Paths relative to ``folder`` with ``/`` and without the suffix; hidden
        files are left out.
    """
    keys = set()
    for root, _, names in os.walk(folder, followlinks=True):
        relative = os.path.relpath(root, folder).replace(os.sep, '/')
        prefix = '' if relative == '.' else f'{relative}/'
        keys.update(
            prefix + name.removesuffix(suffix)
            for name in names
            if name.endswith(suffix) and not name.startswith('.')
        )
    return keys


def read_split(path: str, img_suffix: str) -> list[str]:
    """Read a split list: one key a line, with or without a file suffix.

    Published lists name source images by ``00001.png`` or target images by
    ``aachen/x_leftImg8bit.png``; both give the key without ``img_suffix``,
    also if the configured images are of another format.

    Raises:
        DataError: If the file is missing or has no entry.
    """
    if not os.path.isfile(path):
        raise DataError(
            f'split list {path!r} does not exist; correct ann_file in the '
            "dataset config, or set it to '' to use every image"
        )
    stem_suffix = Path(img_suffix).stem if Path(img_suffix).suffix else ''
    keys = []
    for line in Path(path).read_text(encoding='utf-8').splitlines():
        name = line.strip()
        if not name:
            continue
        base, extension = os.path.splitext(name)
        if extension.lower() in _IMAGE_EXTENSIONS:
            name = base
        keys.append(name.removesuffix(stem_suffix))
    if not keys:
        raise DataError(
            f'split list {path!r} is empty; list one image a line, or set '
            "ann_file to '' to use every image"
        )
    return keys


def require_keys(
    keys: Iterable[str],
    found: Collection[str],
    folder: str,
    suffix: str,
    reason: str,
) -> None:
    """Raise a DataError if a key has no file.

    Args:
        keys: Keys that are needed.
        found: Keys that have a file.
        folder: Where the files should be, for the message.
        suffix: How their names end, for the message.
        reason: What to do about it, for the message.
    """
    missing = [key for key in keys if key not in found]
    if missing:
        first = os.path.join(folder, missing[0] + suffix)
        raise DataError(
            f'{len(missing)} file(s) are missing, the first is {first!r}; '
            f'{reason}'
        )
