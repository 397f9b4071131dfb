# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pools of runs on disk: ``<pool>/<run>/`` with a config and checkpoints."""

import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError

_NUMBER = re.compile(r'iter_(\d+)\.pth')
_SOURCE_ONLY = 'SourceOnly'


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
    """

    pool: str
    name: str
    config: Path
    checkpoints: tuple[Path, ...]
    method: str
    seed: int | None
    is_source_only: bool

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
        root: Folder of the pools; each has a work directory for each run.

    Returns:
        Runs by pool and name. A folder without checkpoints is no run.

    Raises:
        DataError: There is none.
        ConfigError: A run has no config, or several.
    """
    runs = []
    for folder in sorted(root.glob('*/*/')):
        found = [
            path
            for path in folder.glob('iter_*.pth')
            if _NUMBER.fullmatch(path.name)
        ]
        if not found:
            continue
        configs = sorted(folder.glob('*.py'))
        if len(configs) != 1:
            raise ConfigError(
                f"'{folder}' has {len(configs)} configs and must have the one "
                'of its training'
            )
        runs.append(_run_of(folder, configs[0], found))
    if not runs:
        raise DataError(
            f"'{root}' has no runs; put work directories with iter_*.pth and "
            'their config into a folder for each pool, <pool>/<run>/'
        )
    return runs


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
