# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pools of runs on disk: ``<pool>/<run>/`` with a config and checkpoints."""

import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from typing_extensions import NotRequired, TypedDict

from experiments.experiment_files import Role, roles_of
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.json_files import read_json

_NUMBER = re.compile(r'iter_(\d+)\.pth')
_SOURCE_ONLY = 'SourceOnly'


class _Result(TypedDict):
    row: str
    role: NotRequired[Role]
    starts_from: NotRequired[str | None]
    seed: int
    checkpoint: str


@dataclass(frozen=True)
class ExperimentRun:
    """A training and its checkpoints.

    Attributes:
        pool: Name of the pool, the folder above.
        name: Name of the run's folder.
        config: Its config file, with which it was trained.
        checkpoints: By iteration, the first one first.
        method: Name of the config, which runs of several seeds and weights
            share.
        seed: Of the training.
        is_source_only: Whether it has not adapted.
        domain: Target that it is looked at on; None where there is one.
    """

    pool: str
    name: str
    config: Path
    checkpoints: tuple[Path, ...]
    method: str
    seed: int | None
    is_source_only: bool
    domain: str | None = None

    def load(self) -> Config:
        """Read the config.

        Raises:
            ConfigError: It is wrong.
        """
        return load_config(str(self.config))


def iteration_of(checkpoint: Path) -> int:
    """Number in the name of a checkpoint ``iter_<n>.pth``."""
    match = _NUMBER.fullmatch(checkpoint.name)
    assert match is not None, 'found by this name'
    return int(match[1])


def find_runs(root: Path) -> list[ExperimentRun]:
    """Find all runs of all pools.

    Args:
        root: Folder of the pools; each has a work directory for each run, or
            those of ``tools/run_experiments.py``, a folder for each row with
            one for each seed. Of these the last training counts; an oracle,
            which knows labels of the target, does not, and neither does what
            the oracle or source-only started from.

    Returns:
        Runs by pool and name. A folder without checkpoints is no run.

    Raises:
        DataError: There is none.
        ConfigError: A run has no config, or several.
    """
    runs = []
    for folder in sorted(root.glob('*/*/')):
        found = [p for p in folder.glob('iter_*.pth') if _is_numbered(p)]
        if not found:
            continue
        runs.append(_run_of(folder, _config_of(folder), found))
    runs += _of_experiments(root)
    if not runs:
        raise DataError(
            f"'{root}' has no runs; put work directories with iter_*.pth and "
            'their config into a folder for each pool, <pool>/<run>/'
        )
    return runs


def _of_experiments(root: Path) -> list[ExperimentRun]:
    """Finished runs of ``tools/run_experiments.py``."""
    results = {
        file: read_json(file, 'run it again', _Result)
        for file in sorted(root.glob('*/*/seed_*/result.json'))
    }
    runs = []
    for file, result in results.items():
        pool = file.parents[2]
        beside = [r for f, r in results.items() if f.parents[2] == pool]
        role = _role_of(result, beside)
        if role in ('oracle', 'start'):
            continue
        folder = (file.parent / result['checkpoint']).parent
        found = [p for p in folder.glob('iter_*.pth') if _is_numbered(p)]
        if not found:
            raise ConfigError(
                f"'{folder}' has lost its checkpoints; remove '{file}' and "
                'let tools/run_experiments.py make them again'
            )
        runs.append(
            ExperimentRun(
                pool=pool.name,
                name=f'{file.parents[1].name}/{file.parent.name}',
                config=_config_of(folder),
                checkpoints=tuple(sorted(found, key=iteration_of)),
                method=result['row'],
                seed=result['seed'],
                is_source_only=role == 'source_only',
            )
        )
    return runs


def _role_of(result: _Result, beside: list[_Result]) -> Role:
    """Of a row among all results of its experiment.

    Older files call ``method`` what an oracle or source-only started from.
    """
    stored = result.get('role', 'method')
    if stored != 'method':
        return stored
    starts = {r['row']: r.get('starts_from') for r in beside}
    source_only, oracles = (
        {r['row'] for r in beside if r.get('role') == role}
        for role in ('source_only', 'oracle')
    )
    return roles_of(starts, source_only, oracles)[result['row']]


def _config_of(folder: Path) -> Path:
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        raise ConfigError(
            f"'{folder}' has {len(configs)} configs and must have the one of "
            'its training'
        )
    return configs[0]


def _is_numbered(path: Path) -> bool:
    return _NUMBER.fullmatch(path.name) is not None


def _run_of(folder: Path, file: Path, found: list[Path]) -> ExperimentRun:
    cfg = load_config(str(file))
    randomness = cfg.get('randomness') or {}
    return ExperimentRun(
        pool=folder.parent.name,
        name=folder.name,
        config=file,
        checkpoints=tuple(sorted(found, key=iteration_of)),
        method=file.stem,
        seed=randomness.get('seed'),
        is_source_only=cfg.model.get('type') == _SOURCE_ONLY,
    )


def source_only_of(
    run: ExperimentRun, runs: list[ExperimentRun]
) -> ExperimentRun | None:
    """The source-only run that an adapted one is compared with.

    Args:
        run: The adapted one.
        runs: All runs.

    Returns:
        That of its pool with its seed; of another seed if there is none of
        the same; None without any.
    """
    candidates = [
        other
        for other in runs
        if other.pool == run.pool and other.is_source_only
    ]
    same = [other for other in candidates if other.seed == run.seed]
    return next(iter(same or candidates), None)
