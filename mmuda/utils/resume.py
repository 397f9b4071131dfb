# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Finding the checkpoint to continue with."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmuda.utils.checksums import checkpoint_fault
from mmuda.utils.errors import CheckpointError, DataError
from mmuda.utils.json_files import read_plain_file

_MAX_PATH = 1 << 14  # bytes


def find_resume_checkpoint(work_dir: str | os.PathLike) -> Path | None:
    """Find the newest whole checkpoint of a run; see :func:`resume_point`."""
    return resume_point(work_dir)[0]


def resume_point(work_dir: str | os.PathLike) -> tuple[Path | None, str]:
    """Find the newest whole checkpoint of a run, and what there is to say.

    The file ``last_checkpoint`` decides, since numbers may stem from an
    earlier and longer run in the same folder. Where it is missing, cut off by
    a crash, or names a file that is not whole, it is the highest iteration.
    A checkpoint counts as whole if all its content fits the checksums that
    ``torch.save`` writes.

    Returns:
        The checkpoint, or None if there is none to continue with; and a
        message if newer ones are damaged, else ''.

    Raises:
        CheckpointError: If there are checkpoints, but all are damaged.
    """
    faults: dict[Path, str] = {}
    for path in _candidates(Path(work_dir)):
        # Unlike Path.is_file also for names that no system takes.
        if not os.path.isfile(path) or path in faults:
            continue
        fault = checkpoint_fault(path)
        if fault is None:
            return path, _passed_over(faults, path)
        faults[path] = fault
    if faults:
        raise CheckpointError(
            f'{_listed(faults)}: no checkpoint in {str(work_dir)!r} is whole; '
            'copy one there from a backup, or move the damaged ones away (or '
            'choose another --work-dir) to start anew'
        )
    return None, ''


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
        pointer = work_dir / 'last_checkpoint'
        named = read_plain_file(pointer, '', _MAX_PATH).decode().strip()
    except (DataError, UnicodeDecodeError):
        named = ''
    if named:
        # First here: the folder may be a copy of the one that is named.
        yield work_dir / Path(named).name
        yield Path(named)
    by_iteration = checkpoints_by_iteration(work_dir)
    for iteration in sorted(by_iteration, reverse=True):
        yield by_iteration[iteration]


def _passed_over(faults: Mapping[Path, str], path: Path) -> str:
    if not faults:
        return ''
    return f'{_listed(faults)}; continue from {path} before it'


def _listed(faults: Mapping[Path, str]) -> str:
    return '; '.join(
        f'{path} is damaged ({fault})' for path, fault in faults.items()
    )
