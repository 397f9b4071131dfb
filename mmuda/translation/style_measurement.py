# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Measuring the Lab styles of the images of a target."""

import os
from pathlib import Path

from mmuda.color.lab_styles import MeasuredStyle, StyleFile
from mmuda.color.lab_uint8 import LabStyle, style_of
from mmuda.datasets.images.image_io import read_image
from mmuda.utils.errors import DataError
from mmuda.utils.jobs import in_processes

from .lab_images import ImageSet

# Images after which those that were measured are saved.
_SAVE_EVERY = 500


def measure_styles(
    target: ImageSet,
    path: Path,
    workers: int = 1,
    progress: bool = True,
    overwrite: bool = False,
) -> dict[str, LabStyle]:
    """Measure the styles of images that a file does not have yet.

    What is known of an image counts while its size and time stay the same.

    Args:
        target: The images.
        path: The file of styles; it is made or brought up to date.
        workers: Number of processes.
        progress: Whether to show a bar.
        overwrite: Replace a file of another target, or a damaged one.

    Returns:
        Style of each image.

    Raises:
        DataError: An image can't be read, or the file is another one's.
    """
    statuses = {name: target.status(name) for name in target.names}
    old = _read_old(path, target, overwrite)
    known = {
        name: old.styles[name]
        for name, status in statuses.items()
        if name in old.styles and old.styles[name].fits(status)
    }

    calls = [
        (name, target.path(name), status)
        for name, status in statuses.items()
        if name not in known
    ]
    title = 'target statistics' if progress else None
    try:
        with in_processes(_measure, calls, workers, title) as measured:
            for name, style in measured:
                known[name] = style
                if len(known) % _SAVE_EVERY == 0:
                    StyleFile(known, complete=False).write(path)
    finally:
        file = StyleFile(known, len(known) == len(statuses))
        if file != old:
            file.write(path)
    return {name: entry.style for name, entry in known.items()}


def _read_old(path: Path, target: ImageSet, overwrite: bool) -> StyleFile:
    """Read a file that may not be there yet."""
    nothing = StyleFile({}, complete=False)
    if not path.exists():
        return nothing
    try:
        old = StyleFile.read(path)
    except DataError:
        if overwrite:
            return nothing
        raise
    foreign = not set(old.styles) & set(target.names)
    if old.styles and foreign and not overwrite:
        raise DataError(
            f"'{path}' has statistics of another target than "
            f"'{target.root}'; give another file by --statistics, or "
            '--overwrite it'
        )
    return old


def _measure(
    name: str, path: Path, status: os.stat_result
) -> tuple[str, MeasuredStyle]:
    style = style_of(read_image(path))
    return name, MeasuredStyle(style, status.st_size, status.st_mtime_ns)
