# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Lab styles of the images of a target, in a file."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mmuda.datasets.image_io import read_image
from mmuda.datasets.lab_colors import LabStyle, style_of
from mmuda.datasets.lab_images import ImageSet
from mmuda.datasets.lab_workers import call_all
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json

_FORMAT = 'Lab styles of mmuda'
_VERSION = 1
# Images after which those that were measured are saved.
_SAVE_EVERY = 500
_MAKE = 'make the file by tools/translate_lab.py --statistics-only'


@dataclass(frozen=True)
class MeasuredStyle:
    """Style of a file, and what tells whether the file has changed.

    Attributes:
        style: Its style.
        size: Its bytes.
        mtime_ns: When it was changed.
    """

    style: LabStyle
    size: int
    mtime_ns: int

    def fits(self, status: os.stat_result) -> bool:
        """Whether a file of this status is still the measured one."""
        return (status.st_size, status.st_mtime_ns) == (
            self.size,
            self.mtime_ns,
        )


@dataclass(frozen=True)
class StyleFile:
    """Content of a file of styles.

    Attributes:
        styles: Measured style by name of the image.
        complete: Whether all images of the target are in it.
    """

    styles: dict[str, MeasuredStyle]
    complete: bool = True

    @classmethod
    def read(cls, path: str | os.PathLike) -> 'StyleFile':
        """Read a file.

        Raises:
            DataError: It is missing, damaged or not of this kind.
        """
        try:
            content = read_json(path, _MAKE)
            if content['format'] != _FORMAT:
                raise KeyError(_FORMAT)
            version = content['version']
            styles = {
                name: _from_json(entry)
                for name, entry in content['images'].items()
            }
            complete = bool(content['complete'])
        except DataError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"'{path}' is damaged or holds no Lab statistics; {_MAKE}"
            ) from error
        if version != _VERSION:
            raise DataError(
                f"'{path}' has version {version} of Lab statistics, this is "
                f'{_VERSION}; {_MAKE}'
            )
        return cls(styles, complete)

    def write(self, path: str | os.PathLike) -> None:
        """Write the file; an old one stays until it is whole."""
        images = (
            f'{json.dumps(name)}: {json.dumps(_to_json(entry))}'
            for name, entry in sorted(self.styles.items())
        )
        head = dict(format=_FORMAT, version=_VERSION, complete=self.complete)
        # One image a line.
        text = json.dumps(head | dict(images={}), indent=1)
        body = ',\n'.join(images)
        atomic_write(path, text.replace('{}', f'{{\n{body}\n}}') + '\n')


def read_styles(path: str | os.PathLike) -> list[LabStyle]:
    """Read the styles of all images of a target, in the order of names.

    Args:
        path: A file that ``tools/translate_lab.py`` has finished.

    Raises:
        DataError: The file is missing, damaged, foreign or not finished.
    """
    file = StyleFile.read(path)
    if not file.complete or not file.styles:
        raise DataError(
            f"statistics '{path}' are not complete; start the tool that "
            'makes them again'
        )
    return [file.styles[name].style for name in sorted(file.styles)]


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

    def receive(result: tuple[str, MeasuredStyle]) -> None:
        known.update([result])
        if len(known) % _SAVE_EVERY == 0:
            StyleFile(known, complete=False).write(path)

    calls = [
        (name, target.path(name), status)
        for name, status in statuses.items()
        if name not in known
    ]
    title = 'target statistics' if progress else None
    try:
        call_all(_measure, calls, workers, title, receive)
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


def _to_json(entry: MeasuredStyle) -> dict:
    numbers = dict(size=entry.size, mtime_ns=entry.mtime_ns)
    return dict(mean=entry.style.mean, std=entry.style.std) | numbers


def _from_json(entry: dict) -> MeasuredStyle:
    mean, std = (tuple(map(float, entry[key])) for key in ('mean', 'std'))
    if len(mean) != 3 or len(std) != 3:
        raise ValueError(entry)
    return MeasuredStyle(
        LabStyle(mean, std), int(entry['size']), int(entry['mtime_ns'])
    )
