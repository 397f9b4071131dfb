# Copyright (c) mmuda authors.
"""Self-training in rounds: train, label, train again, as separate runs."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmuda.pseudo_labels.labelling_jobs import check_labelling
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    target_names,
)
from mmuda.utils.config import load_config, of_same_setting
from mmuda.utils.config_data import (
    override_data_roots,
    pseudo_labelled_targets,
    set_pseudo_label_root,
)
from mmuda.utils.config_keys import config_errors, did_you_mean
from mmuda.utils.config_values import check_fields
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.names import MANIFEST, TARGET

from .stage import Measured, Stage, Step
from .state import ProcedureState, last_validation


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


class RoundConfigs(NamedTuple):
    """Both configs of self-training, as read from files.

    Attributes:
        options: Of the procedure.
        first: Config of the first training.
        cfg: Config of the rounds.
        files: Of both configs, in this order.
        first_changes: Of the first config, with the setting of the rounds.
    """

    options: SelfTrainingOptions
    first: Config
    cfg: Config
    files: tuple[Path, Path]
    first_changes: dict[str, Any]


def read_rounds(
    path: Path,
    changes: Mapping[str, Any],
    first_changes: Mapping[str, Any],
    data_roots: Mapping[str, str],
) -> RoundConfigs:
    """Read and check the config of the rounds and that of the first training.

    Args:
        path: Of the config with ``self_training``.
        changes: Values of it by dotted key.
        first_changes: The same of the first training.
        data_roots: Folders of the data sets by domain.

    Raises:
        ConfigError: A file, a value or a domain is wrong.
    """
    cfg = load_config(path, changes)
    options = SelfTrainingOptions.from_config(cfg)
    initial = path.parent / options.initial
    changed = of_same_setting(
        initial, first_changes, cfg.get('setting'), changes.get('setting')
    )
    first = load_config(initial, changed)
    for config in (cfg, first):
        override_data_roots(config, data_roots)
    return RoundConfigs(options, first, cfg, (initial, path), changed)


@dataclass(frozen=True)
class RoundArguments:
    """Further arguments of the tools.

    Attributes:
        rounds: Of all tools in the rounds, such as ``--data-root``.
        first: The same for the first training.
        trainings: Of all trainings only.
    """

    rounds: Sequence[str] = ()
    first: Sequence[str] = ()
    trainings: Sequence[str] = ()


@dataclass(frozen=True)
class SelfTraining:
    """Train, label with the network, train on the labels; in rounds.

    ESL (Saporta et al., CVPR workshops 2020) is one round that starts from
    ImageNet again; CoaST and MLCL label in the second training.

    Attributes:
        options: Of the procedure.
        first: Config of the first training.
        cfg: Config of the rounds, which says how to label, too.
        files: Of both configs, in this order.
        work_dir: Folder with a subfolder for each round.
        given: Checkpoint that takes the place of the first training.
        seed: Of all trainings, if it is given.
        arguments: Further ones of the tools.
    """

    options: SelfTrainingOptions
    first: Config
    cfg: Config
    files: tuple[Path, Path]
    work_dir: Path
    given: Path | None = None
    seed: int | None = None
    arguments: RoundArguments = RoundArguments()

    def steps(self) -> list[Step]:
        """All steps; the stages of one do not depend on each other."""
        steps: list[Step] = []
        checkpoint = self.given
        if checkpoint is None:
            first = self._first_training()
            steps.append((first,))
            checkpoint = first.result
        for number in range(1, self.options.rounds + 1):
            labels: Step = ()
            if not self.options.label_online:
                labels = tuple(
                    self._label(number, checkpoint, target)
                    for target in self._labelled()
                )
                steps.append(labels)
            train = self._train(number, checkpoint, labels)
            steps.append((train,))
            checkpoint = train.result
        return steps

    def _first_training(self) -> Stage:
        extra = self.arguments.first
        return self._training(0, self.files[0], self.first, extra, {})

    def _label(self, number: int, checkpoint: Path, target: str) -> Stage:
        """Label a target with the network before."""
        folder, name = self._labels(number), f'round_{number}/label'
        title = f'round {number}: pseudo-labels'
        extra = [] if target == TARGET else ['--domain', target]
        if len(self._labelled()) > 1:
            folder, name = folder / target, f'{name}/{target}'
            title += f' of {target}'
        return Stage(
            name,
            'generate_pseudo_labels.py',
            (
                *(str(self.files[1]), str(checkpoint)),
                *('--out', str(folder), *extra, *self.arguments.rounds),
            ),
            folder / MANIFEST,
            uses={'weights': [checkpoint]},
            distributed=True,
            title=title,
        )

    def _train(self, number: int, checkpoint: Path, labels: Step) -> Stage:
        """Train on the labels, from ImageNet or from the network before."""
        extra, uses = [*self.arguments.rounds], {}
        if labels:
            extra += ['--pseudo-labels', str(self._labels(number))]
            uses['labels'] = [label.result for label in labels]
        if self.options.continue_training:
            # --resume has the last word once there is something of its own.
            extra += ['--load-from', str(checkpoint)]
            uses['weights'] = [checkpoint]
        return self._training(number, self.files[1], self.cfg, extra, uses)

    def _training(
        self,
        number: int,
        file: Path,
        cfg: Config,
        extra: Sequence[str],
        uses: Mapping[str, object],
    ) -> Stage:
        folder = self.work_dir / f'round_{number}'
        # A config may write 40e3.
        iterations = int(cfg.train_cfg.max_iters)
        return Stage(
            f'round_{number}/train',
            'train.py',
            (
                *(str(file), '--work-dir', str(folder), '--resume'),
                *(*extra, *self.arguments.trainings),
            ),
            folder / f'iter_{iterations}.pth',
            uses={'seed': self.seed, **uses},
            work=iterations,
            title=f'round {number}: training' if number else 'first training',
        )

    def _labelled(self) -> list[str]:
        """Targets that are labelled between trainings, or in them."""
        if self.options.label_online:
            return target_names(self.cfg)
        return pseudo_labelled_targets(self.cfg)

    def _labels(self, number: int) -> Path:
        return self.work_dir / f'round_{number}' / 'pseudo_labels'

    def measured(self) -> Measured:
        """What its cost is measured with."""
        return Measured(self.first, self.cfg)

    def config_of(self, stage: Stage) -> Config:
        """Config of a training."""
        return self.first if stage.name == 'round_0/train' else self.cfg

    def images_of(self, stage: Stage) -> int | None:
        """All images are labelled."""
        return None

    def check_configs(self) -> None:
        """Find what is wrong with configs, which needs no data.

        Raises:
            ConfigError: An option of the labelling is wrong, or no training
                loads the labels.
        """
        with config_errors(self.cfg):
            PseudoLabelOptions.from_config(self.cfg)
            if not self.options.label_online:
                cfg = copy.deepcopy(self.cfg)
                set_pseudo_label_root(cfg, self._labels(1))

    def check_data(self) -> None:
        """Find what is wrong with labelling before hours of training.

        Raises:
            ConfigError: The rule, the pipeline or a file of it is wrong.
            DataError: Images, or true labels that are asked for, are missing.
        """
        with config_errors(self.cfg):
            for target in self._labelled():
                check_labelling(self.cfg, self._labels(1), target)

    def write_summary(self, state: ProcedureState) -> str:
        """Write ``summary.md``: target mIoU and time of each round.

        Args:
            state: Knows the times.

        Returns:
            The text.
        """
        lines = ['| round | validation | seconds |', '| --- | --- | --- |']
        for number in range(self.options.rounds + 1):
            folder = f'round_{number}'
            shown = ', '.join(
                f'{name} {value:.2f}'
                for name, value in last_validation(
                    self.work_dir / folder
                ).items()
                if name.endswith(('mIoU', 'entropy'))
            )
            spent = [
                state.seconds(stage)
                for step in self.steps()
                for stage in step
                if stage.name.startswith(f'{folder}/')
            ]
            known = [seconds for seconds in spent if seconds is not None]
            text = f'{sum(known):.0f}' if known else '-'
            lines.append(f'| {number} | {shown or "-"} | {text} |')
        lines.append(f'\nWritten {time.strftime("%Y-%m-%d %H:%M")}.')
        text = '\n'.join(lines)
        atomic_write(self.work_dir / 'summary.md', text + '\n')
        return text
