# Copyright (c) mmuda authors.
"""Which procedure a folder holds, and how far it is, in readable files."""

import ast
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from rich.table import Table
from typing_extensions import NotRequired, TypedDict

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.utils.checks import NOT_NEGATIVE
from mmuda.utils.checksums import sha256_of
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json, read_plain_file, written_format
from mmuda.utils.names import MANIFEST

from .stage import Stage, Step

FILE = 'state.json'
FORMAT_VERSION = 1
RECIPE = 'recipe.json'
RECIPE_VERSION = 1
# Keys of a config that no training and no labelling reads.
_TESTED = ('test_', 'tta_')
_REMEDY = 'remove it, finished stages are found without it'


class _Entry(TypedDict, total=False):
    status: Literal['running', 'done', 'stopped', 'skipped']
    command: str
    started: str
    uses: dict
    seconds: Annotated[float, NOT_NEGATIVE]


class _State(TypedDict):
    stages: dict[str, _Entry]
    format_version: NotRequired[int]
    mmuda_version: NotRequired[str]


class ProcedureState:
    """Which stage used which images, labels, weights and seed.

    Whether a stage is finished is not read from here but from the file that
    it writes last, so the state may be lost without losing work.

    Args:
        work_dir: Folder of the procedure; the state is ``state.json``.

    Raises:
        DataError: The file is damaged, or a later mmuda wrote it.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.file = work_dir / FILE
        self.stages: dict[str, dict] = {}
        if self.file.exists():
            content = read_json(
                self.file, _REMEDY, _State, newest=FORMAT_VERSION
            )
            self.stages = content['stages']

    def start(self, stage: Stage) -> None:
        """Note that a stage begins, or goes on, and what it uses."""
        entry = self.stages.setdefault(stage.name, {})
        entry |= {
            'status': 'running',
            'command': shlex.join((stage.tool, *stage.arguments)),
            'started': time.strftime('%Y-%m-%d %H:%M:%S'),
            'uses': {
                name: self._described(value)
                for name, value in stage.uses.items()
                if value is not None
            },
        }
        self._write()

    def stop(self, stage: Stage, status: str, seconds: float) -> None:
        """Note how a stage ended.

        Args:
            stage: That was started.
            status: ``done``, ``stopped`` or ``skipped``.
            seconds: That this run of it took.
        """
        entry = self.stages[stage.name]
        entry['status'] = status
        entry['seconds'] = round(entry.get('seconds', 0) + seconds, 1)
        if stage.is_done:
            entry['result'] = self._described(stage.result)
        self._write()

    def confirm(self, stage: Stage) -> None:
        """Note what a killed process had no time to note.

        Args:
            stage: Whose result may be there.
        """
        noted = self.stages.get(stage.name, {}).get('status')
        if stage.is_done and noted not in ('done', 'skipped'):
            self.start(stage)
            self.stop(stage, 'done', 0.0)

    def status(self, stage: Stage, running: bool = False) -> str:
        """Tell how far a stage is: the state's word, or ``waiting``.

        Args:
            stage: Of the procedure.
            running: Whether a process works on the procedure. Killed ones
                can't take their word back.
        """
        noted = self.stages.get(stage.name, {}).get('status')
        if stage.is_done:
            return 'skipped' if noted == 'skipped' else 'done'
        if noted == 'running' and running:
            return 'running'
        return 'stopped' if noted else 'waiting'

    def seconds(self, stage: Stage) -> float | None:
        """Time that a stage took, as far as it is known."""
        return self.stages.get(stage.name, {}).get('seconds')

    def _write(self) -> None:
        content = {**written_format(FORMAT_VERSION), 'stages': self.stages}
        atomic_write(self.file, json.dumps(content, indent=1) + '\n')

    def _described(self, value: object) -> object:
        """Files by name and content, other values as they are."""
        if isinstance(value, list | tuple):
            return [self._described(part) for part in value]
        if isinstance(value, Mapping):
            return {key: self._described(part) for key, part in value.items()}
        if not isinstance(value, Path):
            return value
        name = str(value)
        if value.is_relative_to(self.work_dir):
            name = str(value.relative_to(self.work_dir))
        if not value.is_file():
            return name
        described: dict[str, str | int] = {
            'file': name,
            'sha256': sha256_of(value),
        }
        if value.suffix == '.txt':
            described['images'] = len(value.read_bytes().splitlines())
        return described


def require_same_recipe(work_dir: Path, identity: dict) -> None:
    """Refuse to continue another recipe than the one that a folder holds.

    Args:
        work_dir: Folder of everything; on the first call ``recipe.json`` is
            written there.
        identity: All that the results depend on, by the name to tell. Those
            named ``config`` are texts of configs; what they say on tests
            does not count.

    Raises:
        ConfigError: The folder holds another recipe.
        DataError: ``recipe.json`` is damaged, or a later mmuda wrote it.
    """
    file = work_dir / RECIPE
    if not file.exists():
        content = written_format(RECIPE_VERSION) | identity
        atomic_write(file, json.dumps(content, indent=1))
        return
    remedy = 'remove it, or choose another folder by --work-dir'
    earlier = read_json(file, remedy, newest=RECIPE_VERSION)
    differing = [
        name
        for name, value in identity.items()
        if not _alike(name, earlier.get(name), value)
    ]
    if differing:
        raise ConfigError(
            f"--work-dir: '{work_dir}' holds a run with another "
            f'{" and another ".join(differing)}; choose another folder'
        )


def _alike(name: str, earlier: object, value: object) -> bool:
    if earlier == value:
        return True
    texts = isinstance(earlier, str) and isinstance(value, str)
    if not texts or 'config' not in name:
        return False
    return _trained(str(earlier)) == _trained(str(value))


def _trained(config: str) -> object:
    """What a config's text says, without what it says on tests.

    It is only looked at: a file that somebody has changed runs nothing.
    """
    try:
        return sorted(
            ast.dump(node)
            for node in ast.parse(config).body
            if not _is_of_tests(node)
        )
    except (MemoryError, RecursionError, SyntaxError, ValueError):
        return config


def _is_of_tests(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id.startswith(_TESTED)
        for target in node.targets
    )


def status_table(
    steps: Sequence[Step], state: ProcedureState, running: bool = False
) -> Table:
    """Stages with what they brought so far.

    Args:
        steps: Of the procedure.
        state: What is known of them.
        running: Whether a process works on them.
    """
    table = Table(title=str(state.work_dir))
    for column in ('stage', 'status', 'time', 'result'):
        table.add_column(column, no_wrap=True, overflow='fold')
    for stage in (stage for step in steps for stage in step):
        seconds = state.seconds(stage)
        table.add_row(
            stage.name,
            state.status(stage, running),
            '' if seconds is None else duration(seconds),
            outcome(stage) if stage.is_done else '',
        )
    return table


def outcome(stage: Stage) -> str:
    """What a finished stage brought: mIoU, kept pixels or images."""
    if stage.is_training:
        metrics = last_validation(stage.folder)
        return ', '.join(
            f'{name} {value:.2f}'
            for name, value in metrics.items()
            if name.endswith('mIoU')
        )
    if stage.result.name == MANIFEST:
        return _described_labels(stage)
    if stage.result.suffix == '.txt':
        return f'{len(stage.result.read_bytes().splitlines())} images'
    return ''


def _described_labels(stage: Stage) -> str:
    try:
        manifest = PseudoLabelManifest.read(stage.folder)
    except DataError:
        return ''
    text = f'{manifest.num_images} images'
    pixels = sum(manifest.pixels.values())
    if pixels:
        kept = sum(manifest.kept.values()) / pixels
        text += f', {kept:.0%} of the pixels'
    return text


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as much as is needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours} h {minutes:02d} min'
    return f'{minutes} min {rest:02d} s' if minutes else f'{rest} s'


def last_validation(work_dir: Path) -> dict[str, float]:
    """Metrics of the last validation of a run.

    Args:
        work_dir: Of the run.

    Returns:
        Metrics by name, such as ``cityscapes/mIoU``; none if not validated.
        Lines that a killed process has not finished are passed over.
    """
    known = validations(work_dir)
    return known[-1][1] if known else {}


def validations(work_dir: Path) -> list[tuple[int, dict[str, float]]]:
    """Iterations and metrics of all validations of a run, as logged.

    Args:
        work_dir: Of the run.

    Returns:
        In the order of the log, where a part of a resumed run may occur
        twice.
    """
    return [
        (
            int(values.get('step', 0)),
            {
                k: v
                for k, v in values.items()
                if '/' in k and isinstance(v, int | float)
            },
        )
        for file in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for values in _logged(file)
        if any(re.search(r'/mIoU$', key) for key in values)
    ]


def _logged(file: Path) -> Iterator[dict]:
    """Yield the whole lines of a log, which is only looked at."""
    try:
        lines = read_plain_file(file, '').splitlines()
    except DataError:
        return
    for line in lines:
        try:
            values = json.loads(line)
        except (RecursionError, ValueError):
            continue
        if isinstance(values, dict):
            yield values
