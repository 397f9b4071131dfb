# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Self-training in rounds: train, label, train again, as separate runs."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mmengine.config import Config

from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_values import check_fields
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json, read_plain_file
from mmuda.utils.names import MANIFEST
from mmuda.utils.resume import find_resume_checkpoint


@dataclass(frozen=True)
class SelfTrainingOptions:
    """The key ``self_training`` of a config.

    Attributes:
        initial: Config of the first training, which needs no pseudo-labels,
            relative to the file of the config.
        rounds: How often labels are made and trained on.
        continue_training: Whether a round starts from the weights of the one
            before; otherwise each starts as the config says (ImageNet).
        label_online: Whether the training labels the targets itself (by a
            ``PseudoLabelRefreshHook`` or ``CollaborativeConsistencyHook``),
            so that there are two stages: the first training and, from its
            weights, the second.

    Raises:
        ConfigError: ``rounds`` is not positive, or ``label_online`` does not
            go with the others.
    """

    initial: str
    rounds: int = 1
    continue_training: bool = False
    label_online: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ConfigError(
                f'self_training.rounds must be positive, not {self.rounds}'
            )
        if self.label_online and self.rounds > 1:
            raise ConfigError(
                f'self_training.rounds={self.rounds}: with label_online=True '
                'there is one round, which labels as often as its hook says'
            )
        if self.label_online and not self.continue_training:
            raise ConfigError(
                'self_training.label_online=True needs continue_training='
                'True: the weights before label first'
            )

    @classmethod
    def from_config(cls, cfg: Config) -> 'SelfTrainingOptions':
        """Read and check the options of a config.

        Raises:
            ConfigError: There are none, or one is unknown.
        """
        given = cfg.get('self_training')
        if not isinstance(given, Mapping) or 'initial' not in given:
            raise ConfigError(
                'the config has no self_training=dict(initial=CONFIG, ...); '
                'take one of configs/esl'
            )
        known = {f.name for f in fields(cls)}
        for key in given:
            if key not in known:
                raise ConfigError(
                    f"self_training: there is no '{key}'"
                    f'{did_you_mean(key, known)}'
                )
        check_fields(cls, given, 'self_training')
        return cls(**given)


@dataclass(frozen=True)
class Stage:
    """One run of a tool.

    Attributes:
        name: For messages.
        tool: ``train.py`` or ``generate_pseudo_labels.py``.
        arguments: Of the tool.
        result: The file that the finished stage has written last.
    """

    name: str
    tool: str
    arguments: tuple[str, ...]
    result: Path

    @property
    def is_done(self) -> bool:
        """Whether an earlier run finished the stage."""
        return self.result.is_file()


@dataclass(frozen=True)
class Recipe:
    """All stages of a self-training.

    Attributes:
        config: Config of the rounds.
        initial: Config of the first training.
        work_dir: Folder with a subfolder for each round.
        rounds: Number of rounds.
        iterations: Iterations of the first training and of each round.
        continue_training: Start rounds from the weights before.
        initial_checkpoint: Take this in place of a first training.
        options: Further arguments of the tools in the rounds, such as
            ``--data-root``.
        initial_options: The same for the first training.
        train_options: Further arguments of the trainings only.
    """

    config: Path
    initial: Path
    work_dir: Path
    rounds: int
    iterations: tuple[int, int]
    continue_training: bool = False
    initial_checkpoint: Path | None = None
    label_online: bool = False
    options: Sequence[str] = ()
    initial_options: Sequence[str] = ()
    train_options: Sequence[str] = ()

    def stages(self) -> list[Stage]:
        """The stages in their order."""
        stages = []
        checkpoint = self.initial_checkpoint
        if checkpoint is None:
            folder = self.work_dir / 'round_0'
            checkpoint = folder / f'iter_{self.iterations[0]}.pth'
            stages.append(
                self._train(
                    'first training',
                    self.initial,
                    folder,
                    checkpoint,
                    self.initial_options,
                )
            )
        for number in range(1, self.rounds + 1):
            folder = self.work_dir / f'round_{number}'
            labels = folder / 'pseudo_labels'
            extra = [*self.options]
            if not self.label_online:
                stages.append(self._label(number, checkpoint, labels))
                extra += ['--pseudo-labels', str(labels)]
            if self.continue_training:
                extra += ['--load-from', str(checkpoint)]
            checkpoint = folder / f'iter_{self.iterations[1]}.pth'
            stages.append(
                self._train(
                    f'round {number}: training',
                    self.config,
                    folder,
                    checkpoint,
                    extra,
                )
            )
        return stages

    def _train(
        self,
        name: str,
        config: Path,
        folder: Path,
        result: Path,
        extra: Sequence[str],
    ) -> Stage:
        # --resume has the last word over --load-from once there is something.
        if find_resume_checkpoint(folder) is not None:
            extra = without_option(extra, '--load-from')
        arguments = (
            str(config),
            '--work-dir',
            str(folder),
            '--resume',
            *extra,
            *self.train_options,
        )
        return Stage(name, 'train.py', arguments, result)

    def _label(self, number: int, checkpoint: Path, labels: Path) -> Stage:
        arguments = (
            str(self.config),
            str(checkpoint),
            '--out',
            str(labels),
            *self.options,
        )
        return Stage(
            f'round {number}: pseudo-labels',
            'generate_pseudo_labels.py',
            arguments,
            labels / MANIFEST,
        )


def require_same_recipe(work_dir: Path, identity: dict) -> None:
    """Refuse to continue another recipe than the one that a folder holds.

    Args:
        work_dir: Folder of all rounds; on the first call ``recipe.json`` is
            written there.
        identity: All that the results depend on, by the name to tell.

    Raises:
        ConfigError: The folder holds another recipe.
    """
    file = work_dir / 'recipe.json'
    if not file.exists():
        atomic_write(file, json.dumps(identity, indent=1))
        return
    remedy = 'remove it, or choose another folder by --work-dir'
    earlier = read_json(file, remedy)
    differing = [
        name for name, value in identity.items() if earlier.get(name) != value
    ]
    if differing:
        raise ConfigError(
            f"--work-dir: '{work_dir}' holds a run with another "
            f'{" and another ".join(differing)}; choose another folder'
        )


def without_option(arguments: Sequence[str], option: str) -> list[str]:
    """Arguments without an option and its value."""
    arguments = list(arguments)
    if option in arguments:
        position = arguments.index(option)
        del arguments[position : position + 2]
    return arguments


def last_validation(work_dir: Path) -> dict[str, float]:
    """Metrics of the last validation of a run.

    Args:
        work_dir: Of the run.

    Returns:
        Metrics by name, such as ``cityscapes/mIoU``; none if not validated.
        Lines that a killed process has not finished are passed over.
    """
    metrics: dict[str, float] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for values in _logged(file):
            if any(re.search(r'/mIoU$', key) for key in values):
                metrics = {
                    k: v
                    for k, v in values.items()
                    if '/' in k and isinstance(v, int | float)
                }
    return metrics


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


def write_summary(recipe: Recipe, seconds: dict[str, float]) -> str:
    """Write ``summary.md``: target mIoU and time of each round.

    Args:
        recipe: The finished recipe.
        seconds: Duration of the stages of this call by name.

    Returns:
        The text.
    """
    lines = ['| round | validation | seconds |', '| --- | --- | --- |']
    for number in range(recipe.rounds + 1):
        metrics = last_validation(recipe.work_dir / f'round_{number}')
        shown = ', '.join(
            f'{name} {value:.2f}'
            for name, value in metrics.items()
            if name.endswith(('mIoU', 'entropy'))
        )
        spent = [
            value
            for name, value in seconds.items()
            if name.startswith(f'round {number}' if number else 'first')
        ]
        spent_text = f'{sum(spent):.0f}' if spent else '-'
        lines.append(f'| {number} | {shown or "-"} | {spent_text} |')
    lines.append(f'\nWritten {time.strftime("%Y-%m-%d %H:%M")}.')
    text = '\n'.join(lines)
    atomic_write(recipe.work_dir / 'summary.md', text + '\n')
    return text
