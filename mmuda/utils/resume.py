# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Finding the checkpoint to continue with."""

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path


def find_resume_checkpoint(work_dir: str | os.PathLike) -> Path | None:
    """Find the newest whole checkpoint of a run.

    The file ``last_checkpoint`` decides, since numbers may stem from an
    earlier and longer run in the same folder. Where it is missing, cut off by
    a crash, or names a file that is not whole, it is the highest iteration.
    A checkpoint counts as whole if the table of contents that ``torch.save``
    writes last can be read.

    Returns:
        The checkpoint, or None if there is none to continue with.
    """
    return next(filter(_is_whole, _candidates(Path(work_dir))), None)


def checkpoints_by_iteration(work_dir: str | os.PathLike) -> dict[int, Path]:
    """Find all checkpoints ``iter_<k>.pth`` of a folder.

    Returns:
        Their paths by k.
    """
    return {
        int(match[1]): path
        for path in Path(work_dir).glob('iter_*.pth')
        if (match := re.fullmatch(r'iter_(\d+)\.pth', path.name))
    }


def _candidates(work_dir: Path) -> Iterator[Path]:
    try:
        named = (work_dir / 'last_checkpoint').read_text().strip()
    except (OSError, UnicodeDecodeError):
        named = ''
    if named:
        # First here: the folder may be a copy of the one that is named.
        yield work_dir / Path(named).name
        yield Path(named)
    by_iteration = checkpoints_by_iteration(work_dir)
    for iteration in sorted(by_iteration, reverse=True):
        yield by_iteration[iteration]


def _is_whole(path: Path) -> bool:
    return path.is_file() and zipfile.is_zipfile(path)
