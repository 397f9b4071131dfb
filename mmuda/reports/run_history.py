# Copyright (c) mmuda authors.
"""What the runs of a work directory have logged, as one training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmuda.utils.checks import is_whole
from mmuda.utils.errors import DataError
from mmuda.utils.json_files import parse_json, read_plain_file

# Iterations and values of something that was logged.
Series = tuple[np.ndarray, np.ndarray]
_STEP, _TRAINED = 'step', 'iter'
_REMEDY = 'remove it, or name the folder of another training'


@dataclass(frozen=True)
class RunHistory:
    """What was logged of a training, resumed or not.

    Attributes:
        training: Values by name, at the iterations of the log.
        validation: Values by name, at the iterations of validations.
        seconds: About the time of all iterations that are logged; see
            :func:`read_history`.
        runs: Folders of the runs that it went through, the first one first.
        steps: Iterations at which training was logged, rising.
    """

    training: dict[str, Series]
    validation: dict[str, Series]
    seconds: float
    runs: list[Path]
    steps: list[int]

    @property
    def done(self) -> int:
        """The last iteration that was logged."""
        return self.steps[-1]

    @property
    def next_step(self) -> int:
        """Where the log would go on; what is finished lies before it."""
        return self.done + int(np.diff([0, *self.steps]).max())


class NothingLoggedError(DataError):
    """A training has not reached an iteration that is logged."""


def read_history(work_dir: Path) -> RunHistory:
    """Read ``<time>/vis_data/scalars.json`` of all runs in a folder.

    What a run has logged beyond the place from which a later one went on is
    left out, so that there is one line without gaps or returns. Of a folder
    in which a training was started anew the last one is left. The log holds
    the mean time of the last iterations alone, by default ten
    (``log_processor.window_size``), so that the time of all is an estimate.

    Args:
        work_dir: Of a training.

    Raises:
        NothingLoggedError: No iteration was logged there.
        DataError: A file is damaged.
    """
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    runs = {file.parents[1]: read_records(file) for file in files}
    training: list[dict] = []
    validation: list[dict] = []
    used: list[Path] = []
    for folder, records in runs.items():
        trained = [record for record in records if _TRAINED in record]
        if not trained:
            continue
        first = trained[0][_STEP]
        training = [r for r in training if r[_STEP] < first] + trained
        # A resumed run may first repeat a validation that was cut off.
        begin = min(r[_STEP] for r in records)
        validation = [r for r in validation if r[_STEP] < begin]
        validation += [r for r in records if _TRAINED not in r]
        used = [*used, folder] if training[0] is not trained[0] else [folder]
    if not training:
        raise NothingLoggedError(
            f"'{work_dir}' holds no log of a training (<time>/vis_data/"
            'scalars.json, of LocalVisBackend); name the work directory of '
            'one that has reached default_hooks.logger.interval iterations'
        )
    return _history(training, validation, used)


def _history(
    training: Sequence[Mapping],
    validation: Sequence[Mapping],
    runs: list[Path],
) -> RunHistory:
    return RunHistory(
        _series(training),
        _series(validation),
        _seconds(training),
        runs,
        [record[_STEP] for record in training],
    )


def read_records(file: Path) -> list[dict]:
    """Read the lines of a log of scalars, in the order of their iterations.

    A last line that was cut off by a kill is left out.

    Args:
        file: Lines of JSON.

    Raises:
        DataError: Another line can't be read.
    """
    lines = read_plain_file(file, _REMEDY).splitlines()
    records = []
    for number, line in enumerate(lines, 1):
        place = f'{file}, line {number}'
        try:
            record = parse_json(line, place, _REMEDY, allow_nan=True)
        except DataError:
            if number == len(lines):
                break
            raise
        if not is_whole(record.get(_STEP)):
            raise DataError(f'{place}: has no iteration ({_STEP}); {_REMEDY}')
        records.append(record)
    return sorted(records, key=lambda record: record[_STEP])


def _series(records: Sequence[Mapping]) -> dict[str, Series]:
    names = dict.fromkeys(name for record in records for name in record)
    found = {}
    for name in names:
        if name in (_STEP, _TRAINED):
            continue
        points = [*_points(records, name)]
        if points:
            steps, values = zip(*points, strict=True)
            found[name] = np.array(steps), np.array(values, dtype=float)
    return found


def _points(
    records: Sequence[Mapping], name: str
) -> Iterator[tuple[int, float]]:
    for record in records:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield record[_STEP], value


def _seconds(records: Sequence[Mapping]) -> float:
    """As if all iterations since a line took as long as the last of them."""
    total, last = 0.0, 0
    for record in records:
        time = record.get('time', math.nan)
        if isinstance(time, int | float) and math.isfinite(time):
            total += time * (record[_STEP] - last)
        last = record[_STEP]
    return total


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Mean of each value and its neighbours, without those that are NaN.

    Args:
        values: (N,) numbers.
        width: How many values on both sides together; 0 changes nothing.

    Returns:
        (N,); at both ends of fewer neighbours, NaN where all are.
    """
    half = width // 2
    known = np.isfinite(values)
    sums = np.concatenate([[0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(len(values))
    begin = np.maximum(places - half, 0)
    end = np.minimum(places + half + 1, len(values))
    with np.errstate(invalid='ignore', divide='ignore'):
        return (sums[end] - sums[begin]) / (counts[end] - counts[begin])
