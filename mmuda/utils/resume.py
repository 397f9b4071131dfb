# Copyright (c) mmuda authors.
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
    earlier and longer run in the same folder. Where it is missing or cut off
    by a crash, it is the highest iteration; where it names a file that is not
    whole, the next lower one beside that file. A checkpoint counts as whole
    if all its content fits the checksums that ``torch.save`` writes.

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
        iteration: path
        for path in Path(work_dir).glob('iter_*.pth')
        if (iteration := _iteration(path)) is not None
    }


def _candidates(work_dir: Path) -> Iterator[Path]:
    try:
        pointer = work_dir / 'last_checkpoint'
        named = read_plain_file(pointer, '', _MAX_PATH).decode().strip()
    except (DataError, UnicodeDecodeError):
        named = ''
    folders = [work_dir]
    if named:
        # First here: the folder may be a copy of the one that is named.
        yield work_dir / Path(named).name
        yield Path(named)
        if os.path.isfile(named):
            # As default_hooks.checkpoint.out_dir says.
            folders.append(Path(named).parent)
    last = _iteration(named)
    for folder in folders:
        found = checkpoints_by_iteration(folder)
        # What is above the last may be of an earlier and longer run.
        below = [k for k in found if last is not None and k <= last]
        for numbers in below, set(found) - set(below):
            yield from (found[k] for k in sorted(numbers, reverse=True))


def _iteration(path: str | os.PathLike) -> int | None:
    match = re.fullmatch(r'iter_(\d{1,99})\.pth', Path(path).name)
    return int(match[1]) if match else None


def _passed_over(faults: Mapping[Path, str], path: Path) -> str:
    if not faults:
        return ''
    numbers = [_iteration(fault) for fault in faults]
    own = _iteration(path)
    before = own is not None and all(n is None or own < n for n in numbers)
    return f'{_listed(faults)}; continue from {path}' + ' before it' * before


def _listed(faults: Mapping[Path, str]) -> str:
    return '; '.join(
        f'{path} is damaged ({fault})' for path, fault in faults.items()
    )
