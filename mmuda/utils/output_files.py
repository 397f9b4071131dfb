# Copyright (c) mmuda authors.
"""Files that a tool is told to write, looked at before it works."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import require_writable_folder

File = str | os.PathLike[str]


def require_outputs(
    outputs: Mapping[str, File | None], inputs: Iterable[File]
) -> None:
    """Refuse files that can't be written, or that would replace an input.

    The folders of the outputs are made if they are missing.

    Args:
        outputs: Files to write by what set them (``--out``); None is none.
        inputs: Files that are read; what is no file, such as a web address,
            is nothing that could be replaced.

    Raises:
        ConfigError: An output is a folder, lies in one that can't be written
            to, or is the same file as an input or another output.
    """
    taken = {_identity(file): f'the input {str(file)!r}' for file in inputs}
    for option, file in outputs.items():
        if file is None:
            continue
        if other := taken.get(_identity(file)):
            raise ConfigError(
                f'{option}: {str(file)!r} is the same file as {other}; '
                'choose another name'
            )
        if os.path.isdir(file):
            raise ConfigError(
                f'{option}: {str(file)!r} is a folder; name a file'
            )
        taken[_identity(file)] = f'that of {option}'
    for option, file in outputs.items():
        if file is not None:
            require_writable_folder(Path(file).parent, option)


def _identity(file: File) -> str:
    return os.path.normcase(Path(os.path.expanduser(file)).resolve())
