# Copyright (c) mmuda authors.
"""What a row comes to: its configs, its length, where its weights end up."""

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from experiments.experiment_files import Experiment, Row
from mmuda.procedures.cotraining_cycles import CoTraining
from mmuda.procedures.cotraining_options import read_cotraining
from mmuda.procedures.self_training_rounds import SelfTraining, read_rounds
from mmuda.procedures.stage import Procedure
from mmuda.utils.config import load_config
from mmuda.utils.config_data import override_data_roots
from mmuda.utils.config_keys import type_name
from mmuda.utils.errors import ConfigError
from mmuda.utils.flat_values import flat

# Parts of a config that decide what is learned, and how that is tested.
_TRAINED = (
    *('model', 'optim_wrapper', 'param_scheduler', 'train_dataloader'),
    *('train_cfg', 'auto_scale_lr', 'pseudo_labels', 'compile'),
    *('self_training', 'cotraining', 'runner_type', 'custom_hooks'),
)
_TESTED = (
    *('test_dataloader', 'test_evaluator', 'test_cfg'),
    *('tta_model', 'tta_pipeline'),
)
# They look on.
WATCHING_HOOKS = (
    *('DataCheckHook', 'DomainVisualizationHook', 'TrainingCurveHook'),
    *('ProgressBarHook', 'RunSummaryHook', 'GracefulStopHook'),
    *('RunReportHook', 'HarmReportHook', 'PredictionFilesHook'),
    *('PredictionExportHook', 'PredictionDrawingHook'),
)
# Where files lie, and how fast they are read.
_FREE = re.compile(
    r'(^|\.)(data_root|num_workers|persistent_workers|pin_memory'
    r'|prefetch_factor|image_cache|with_cp|recompute(_features)?'
    r'|val_interval|val_begin|dynamic_intervals|_scope_)(\.|\[|$)'
)


@dataclass(frozen=True)
class Recipe:
    """How a row is trained, whatever the seed.

    Attributes:
        row: As written.
        configs: By name, all that are trained, with the row's options.
        tested: Name of the one that is tested,
        file: its file,
        options: and its options.
        iterations: Of all trainings together.
        last_iterations: Of the last training.
        checkpoint: Last one, relative to the folder of a run.
    """

    row: Row
    configs: Mapping[str, Config]
    tested: str
    file: Path
    options: Mapping[str, Any]
    iterations: int
    last_iterations: int
    checkpoint: Path

    def course(self) -> dict[str, Any]:
        """All of the configs that decides what is learned, by dotted key."""
        parts = _TRAINED
        if self.row.starts_from is None:
            parts = (*parts, 'load_from')
        return {
            f'{name}: {key}': value
            for name, config in self.configs.items()
            for key, value in _chosen(config, parts)
        }

    def judgement(self) -> dict[str, Any]:
        """All that decides how it is tested, by dotted key."""
        found = dict(_chosen(self.configs[self.tested], _TESTED))
        return found | dict(flat({'test': vars(self.row.test)}))


def checksum(values: Mapping[str, Any]) -> str:
    """Checksum of plain values by dotted key, in any order.

    Args:
        values: Such as :meth:`Recipe.course`.
    """
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_recipes(
    experiment: Experiment, names: list[str], data_roots: Mapping[str, str]
) -> dict[str, Recipe]:
    """Load the configs of rows, which finds what is wrong before hours.

    Args:
        experiment: That has the rows.
        names: Of the rows.
        data_roots: Folders by name.

    Raises:
        ConfigError: A config, an option or the name of a folder is wrong.
    """
    found = {}
    for name in names:
        row = experiment.rows[name]
        try:
            roots = roots_of(row, data_roots)
            found[name] = _READERS[row.tool](row, roots)
        except ConfigError as error:
            raise ConfigError(f'rows.{name}: {error}') from error
    return found


def roots_of(row: Row, data_roots: Mapping[str, str]) -> dict[str, str]:
    """Folders of a row by domain.

    Args:
        row: May say itself which domains have which folders.
        data_roots: Folders by name.
    """
    if not data_roots:
        return {}
    for domain, name in row.data_roots.items():
        if name not in data_roots:
            raise ConfigError(
                f'data_roots.{domain}: {name!r} is none of --data-root '
                f'({", ".join(data_roots)})'
            )
    if row.data_roots:
        return {d: data_roots[name] for d, name in row.data_roots.items()}
    return dict(data_roots)


def _train(row: Row, roots: Mapping[str, str]) -> Recipe:
    cfg = load_config(row.file, row.options)
    for key in ('train_dataloader', 'test_dataloader'):
        if not cfg.get(key):
            raise ConfigError(f'{row.config}: no {key}')
    override_data_roots(cfg, roots)
    iterations = int(cfg.train_cfg.max_iters)
    return Recipe(
        row,
        {'config': cfg},
        'config',
        row.file,
        row.options,
        iterations,
        iterations,
        Path(f'iter_{iterations}.pth'),
    )


def _self_train(row: Row, roots: Mapping[str, str]) -> Recipe:
    read = read_rounds(row.file, row.options, row.first_options, roots)
    given = None if row.starts_from is None else Path(row.starts_from)
    procedure = SelfTraining(
        read.options, read.first, read.cfg, read.files, Path(), given
    )
    configs = {'rounds': read.cfg}
    if given is None:
        configs['first'] = read.first
    return _of_procedure(
        row, procedure, configs, 'rounds', row.file, row.options
    )


def _cotrain(row: Row, roots: Mapping[str, str]) -> Recipe:
    options, configs, files = read_cotraining(row.file, row.options, roots)
    given = None if row.starts_from is None else Path(row.starts_from)
    procedure = CoTraining(options, **configs, work_dir=Path(), given=given)
    shared = {
        key: value
        for key, value in row.options.items()
        if not key.startswith('cotraining.')
    }
    return _of_procedure(
        row, procedure, configs, 'final', files['final'], shared
    )


def _of_procedure(
    row: Row,
    procedure: Procedure,
    configs: Mapping[str, Config],
    tested: str,
    file: Path,
    options: Mapping[str, Any],
) -> Recipe:
    stages = [stage for step in procedure.steps() for stage in step]
    return Recipe(
        row,
        configs,
        tested,
        file,
        options,
        sum(stage.work for stage in stages),
        stages[-1].work,
        stages[-1].result,
    )


_READERS = {'train': _train, 'self_train': _self_train, 'cotrain': _cotrain}


def _chosen(
    config: Config, parts: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    content = copy.deepcopy(config.to_dict())
    hooks = content.get('custom_hooks') or []
    content['custom_hooks'] = [
        hook for hook in hooks if type_name(hook) not in WATCHING_HOOKS
    ]
    chosen = {key: content[key] for key in parts if content.get(key)}
    for key, value in flat(chosen):
        if not _FREE.search(key):
            yield key, value
