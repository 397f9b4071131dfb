# Copyright (c) mmuda authors.
"""Lab styles of the images of a target, in a file."""

import json
import os
from dataclasses import dataclass

from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json
from mmuda.utils.tool_commands import tool_command

from .lab_uint8 import LabStyle

_FORMAT = 'Lab styles of mmuda'
_VERSION = 1
_MAKE = (
    f'make the file by {tool_command("translate_lab.py")} --statistics-only'
)


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
