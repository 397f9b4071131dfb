# Copyright (c) mmuda authors.
"""How far a run is, and what came out, in files of its folder."""

import json
import math
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import mmcv
import mmengine
import mmseg
import torch
from mmengine.device import get_device
from typing_extensions import NotRequired, TypedDict

from experiments.experiment_files import ROOT
from experiments.recipes import Recipe, checksum
from experiments.row_roles import Role
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json, written_format
from mmuda.utils.mixed_precision import Precision
from mmuda.utils.text import join_some
from mmuda.version import __version__

RESULT = 'result.json'
RUN = 'run.json'
FORMAT_VERSION = 1
Status = Literal['finished', 'trained', 'begun', 'new', 'changed']
_TIMES = ('time', 'data_time')
_REMEDY = 'remove it, and the run is done again'


class _Begun(TypedDict):
    course: dict[str, Any]
    seconds: float
    commits: list[str]
    trained: bool
    keep: int | None
    threads: int
    format_version: NotRequired[int]


class Result(TypedDict):
    """What came out of a run, as ``result.json`` holds it.

    Its keys are told in docs/results.md.
    """

    row: str
    role: NotRequired[Role]
    source_only: NotRequired[str]
    seed: int
    metrics: dict[str, float | None]
    config: str
    checksum: str
    test_checksum: str
    options: dict[str, Any]
    amp: str
    starts_from: str | None
    iterations: int
    checkpoint: str
    seconds: float
    commits: list[str]
    versions: dict[str, str]
    threads: int
    device: str


@dataclass
class Run:
    """A row with a seed.

    Attributes:
        row: Name of the row.
        recipe: Of the row.
        seed: Of all random numbers.
        folder: Of all that it writes.
        precision: Of the training.
        start: Run that it starts from.
        role: Of the row in the experiment.
        source_only: Row that this one is compared with; source-only's own
            name if it is the experiment's.
    """

    row: str
    recipe: Recipe
    seed: int
    folder: Path
    precision: Precision
    start: 'Run | None' = None
    role: Role = 'method'
    source_only: str = ''

    @property
    def name(self) -> str:
        """To tell."""
        return f'{self.row} seed {self.seed}'

    @property
    def checkpoint(self) -> Path:
        """The last one."""
        return self.folder / self.recipe.checkpoint

    def course(self) -> dict[str, Any]:
        """All that decides what is learned, by dotted key."""
        start = None if self.start is None else checksum(self.start.course())
        return {
            **self.recipe.course(),
            'tool': self.recipe.row.tool,
            'amp': self.precision,
            'starts_from': start,
        }

    def status(self) -> Status:
        """How far it is; ``changed`` if it was begun with another recipe."""
        begun = self.begun()
        if begun is None:
            return 'new'
        if begun['course'] != self.course():
            return 'changed'
        if begun['trained']:
            result = self.result()
            if result is not None and result['test_checksum'] == checksum(
                self.recipe.judgement()
            ):
                return 'finished'
            if self.checkpoint.is_file():
                return 'trained'
        return 'begun'

    def changes(self) -> str:
        """What is not as it was when the run began, in words."""
        begun = self.begun()
        then, now = begun['course'] if begun else {}, self.course()
        keys = [k for k in {**now, **then} if then.get(k) != now.get(k)]
        return join_some(
            [
                f'{key} was {then.get(key)!r}, now {now.get(key)!r}'
                for key in keys
            ]
        )

    def begun(self) -> _Begun | None:
        """What is known of a run that has begun.

        Raises:
            DataError: The file is damaged.
        """
        return self._read(RUN, _Begun)

    def result(self) -> Result | None:
        """What came out; None if it is not finished.

        Raises:
            DataError: The file is damaged.
        """
        return self._read(RESULT, Result)

    def begin(self, keep: int | None, threads: int) -> None:
        """Note that the training begins, or goes on.

        Args:
            keep: Checkpoints to keep.
            threads: Of the training.
        """
        begun = self.begun() or _Begun(
            course=self.course(),
            seconds=0.0,
            commits=[],
            trained=False,
            keep=keep,
            threads=threads,
        )
        commits = dict.fromkeys([*begun['commits'], commit_of(ROOT)])
        self._write(RUN, {**begun, 'commits': list(commits)})

    def add_training(self, code: int, seconds: float) -> None:
        """Note how a part of the training ended.

        Args:
            code: Exit code.
            seconds: That it took.
        """
        begun = self.begun()
        assert begun is not None, 'begin() comes before'
        begun['seconds'] = round(begun['seconds'] + seconds, 1)
        begun['trained'] = code == 0 and self.checkpoint.is_file()
        self._write(RUN, begun)

    def finish(self) -> Result:
        """Gather the result after the test, and write it.

        Raises:
            DataError: The test has left no metrics.
        """
        begun = self.begun()
        assert begun is not None, 'begin() comes before'
        row = self.recipe.row
        result = Result(
            row=self.row,
            role=self.role,
            source_only=self.source_only,
            seed=self.seed,
            metrics=tested_metrics(self.folder / 'test'),
            config=row.config,
            checksum=checksum(begun['course']),
            test_checksum=checksum(self.recipe.judgement()),
            options={**row.options, **row.first_options},
            amp=self.precision,
            starts_from=row.starts_from,
            iterations=self.recipe.iterations,
            checkpoint=str(self.recipe.checkpoint),
            seconds=begun['seconds'],
            commits=begun['commits'],
            versions=versions(),
            threads=begun['threads'],
            device=get_device(),
        )
        self._write(RESULT, result)
        return result

    def remove(self) -> None:
        """Forget the run, and all that it has written."""
        shutil.rmtree(self.folder)

    def _read(self, name: str, kind: Any) -> Any:
        file = self.folder / name
        if not file.exists():
            return None
        return read_json(file, _REMEDY, kind, newest=FORMAT_VERSION)

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        content = {**written_format(FORMAT_VERSION), **content}
        atomic_write(self.folder / name, json.dumps(content, indent=1) + '\n')


def tested_metrics(folder: Path) -> dict[str, float | None]:
    """Metrics that the last test has written.

    Args:
        folder: Work dir of the tests.

    Returns:
        By name; None for classes that neither occur nor are predicted.

    Raises:
        DataError: There are none.
    """
    files = sorted(folder.glob('*/*.json'))
    if not files:
        raise DataError(f'{str(folder)!r}: the test has left no metrics')
    values = read_json(files[-1], 'remove it, and test again', allow_nan=True)
    return {
        name: value if math.isfinite(value) else None
        for name, value in values.items()
        if isinstance(value, float | int) and name not in _TIMES
    }


def versions() -> dict[str, str]:
    """Versions of what results depend on."""
    return {
        'mmuda': __version__,
        'torch': torch.__version__,
        'numpy': metadata.version('numpy'),
        'mmengine': mmengine.__version__,
        'mmcv': mmcv.__version__,
        'mmseg': mmseg.__version__,
    }


def commit_of(root: Path) -> str:
    """Commit of a checkout, with ``+`` if files differ from it.

    Args:
        root: Of the checkout; one that git knows nothing of has ``unknown``.
    """
    try:
        commit, changes = (
            subprocess.run(
                ['git', '-C', str(root), *words],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for words in (
                ('rev-parse', 'HEAD'),
                ('status', '--porcelain', '--untracked-files=no'),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return f'{commit}+' if changes else commit
