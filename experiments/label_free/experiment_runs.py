# Copyright (c) mmuda authors.
"""Pools of runs on disk: ``<pool>/<run>/`` with a config and checkpoints."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config
from typing_extensions import NotRequired, TypedDict

from experiments.label_free.run_roles import role_by_data
from experiments.row_roles import Role, roles_of
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.json_files import read_json

_NUMBER = re.compile(r'iter_(\d+)\.pth')
_LEFT_OUT = ('oracle', 'start')
# No row has this name.
_NOT_FINISHED = ''


class _Result(TypedDict):
    row: str
    role: NotRequired[Role]
    source_only: NotRequired[str]
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
        role: Of a finished row as its experiment says; None where that says
            nothing, until it is told by the data.
        source_only: Method that it is compared with, its own of the
            source-only of an experiment; None where any will do.
        domain: Target that it is looked at on; None where there is one.
    """

    pool: str
    name: str
    config: Path
    checkpoints: tuple[Path, ...]
    method: str
    seed: int | None
    role: Role | None
    source_only: str | None = None
    domain: str | None = None

    @property
    def is_source_only(self) -> bool:
        """Whether it has not adapted."""
        return self.role == 'source_only'

    @property
    def is_further(self) -> bool:
        """Whether it is source-only, but not that of its experiment."""
        own = self.source_only in (None, self.method)
        return self.is_source_only and not own

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


def find_runs(
    root: Path, given: Mapping[str, Role] | None = None
) -> list[ExperimentRun]:
    """Find all runs of all pools.

    Args:
        root: Folder of the pools; each has a work directory for each run, or
            those of ``tools/run_experiments.py``, a folder for each row with
            one for each seed. Of these the last training counts. An oracle,
            which knows labels of the target, is left out, and so is what the
            oracle or source-only started from.
        given: Roles by ``<pool>/<run>`` or ``<pool>/<row>``, before those of
            the experiment and :func:`role_by_data`.

    Returns:
        Runs by pool and name. A folder without checkpoints is no run.

    Raises:
        DataError: There is none.
        ConfigError: A run has no config, or several, or its role is unclear.
    """
    roles = dict(given or {})
    runs = []
    for folder in sorted(root.glob('*/*/')):
        found = [p for p in folder.glob('iter_*.pth') if _is_numbered(p)]
        if found:
            runs.append(_run_of(folder, _config_of(folder), found, roles))
    runs += _of_experiments(root, roles)
    if not runs:
        raise DataError(
            f"'{root}' has no runs; put work directories with iter_*.pth and "
            'their config into a folder for each pool, <pool>/<run>/'
        )
    return [run for run in _told(runs) if run.role not in _LEFT_OUT]


def _told(runs: list[ExperimentRun]) -> list[ExperimentRun]:
    """Tell by their data what runs without a role are."""
    unclear = {run.pool for run in runs if run.role is None}
    configs = {
        (run.pool, run.name): run.load() for run in runs if run.pool in unclear
    }
    found = []
    for run in runs:
        if run.role is None:
            name = f'{run.pool}/{run.name.partition("/")[0]}'
            pool = [cfg for key, cfg in configs.items() if key[0] == run.pool]
            cfg = configs[run.pool, run.name]
            run = replace(run, role=role_by_data(name, cfg, pool))
        found.append(run)
    return found


def _of_experiments(
    root: Path, given: Mapping[str, Role]
) -> list[ExperimentRun]:
    """Finished runs of ``tools/run_experiments.py``."""
    results = {
        file: read_json(file, 'run it again', _Result)
        for file in sorted(root.glob('*/*/seed_*/result.json'))
    }
    runs = []
    for file, result in results.items():
        pool, row = file.parents[2], file.parents[1].name
        beside = [r for f, r in results.items() if f.parents[2] == pool]
        said = {
            name: given[f'{pool.name}/{name}']
            for name in (r['row'] for r in beside)
            if f'{pool.name}/{name}' in given
        }
        role = _role_of(result, beside, said)
        if role in _LEFT_OUT:
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
                name=f'{row}/{file.parent.name}',
                config=_config_of(folder),
                checkpoints=tuple(sorted(found, key=iteration_of)),
                method=result['row'],
                seed=result['seed'],
                role=role,
                source_only=_reference_of(result, beside, said),
            )
        )
    return runs


def _role_of(
    result: _Result, beside: list[_Result], given: Mapping[str, Role]
) -> Role | None:
    """Of a row among all results of its experiment; some roles are given.

    Files of before rows said what they are compared with call ``method`` all
    that is neither of the two bounds: what these started from, of which
    ``starts_from`` tells if they are finished, and a further source-only.
    """
    row, stored = result['row'], result.get('role', 'method')
    if row in given:
        return given[row]
    if not given and (stored != 'method' or 'source_only' in result):
        return stored
    starts = {r['row']: r.get('starts_from') for r in beside}
    source_only, oracles = (
        {
            r['row']
            for r in beside
            if given.get(r['row'], r.get('role')) == role
        }
        for role in ('source_only', 'oracle')
    )
    role = roles_of(starts, source_only, oracles)[row]
    # What no older file says is told by the data.
    return role if role != 'method' or 'source_only' in result else None


def _reference_of(
    result: _Result, beside: list[_Result], given: Mapping[str, Role]
) -> str:
    """Row that a row is compared with; of older files the bound, or given."""
    plain = [name for name, role in given.items() if role == 'source_only']
    bounds = [
        r['row']
        for r in beside
        if r.get('role') == 'source_only'
        and r.get('source_only', r['row']) == r['row']
    ]
    # Half of a source-only that is not finished is none to compare with.
    found = next(iter([*bounds, *plain]), _NOT_FINISHED)
    return result.get('source_only', found)


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


def _run_of(
    folder: Path, file: Path, found: list[Path], given: Mapping[str, Role]
) -> ExperimentRun:
    cfg = load_config(str(file))
    randomness = cfg.get('randomness') or {}
    return ExperimentRun(
        pool=folder.parent.name,
        name=folder.name,
        config=file,
        checkpoints=tuple(sorted(found, key=iteration_of)),
        method=file.stem,
        seed=randomness.get('seed'),
        role=given.get(f'{folder.parent.name}/{folder.name}'),
    )


def source_only_of(
    run: ExperimentRun, runs: list[ExperimentRun]
) -> ExperimentRun | None:
    """The source-only run that an adapted one is compared with.

    Args:
        run: The adapted one.
        runs: All runs.

    Returns:
        Of its pool: that of the row which it names, with its seed; or else
        one of no experiment, with its seed if there is one, and among these
        with as many iterations if there is one. None without any.
    """
    bounds = [r for r in runs if r.pool == run.pool and r.is_source_only]
    named = [r for r in bounds if r.method == run.source_only]
    candidates = named or [
        other
        for other in bounds
        if None in (run.source_only, other.source_only)
        and not other.is_further
    ]
    same = [o for o in candidates if o.seed == run.seed]
    if run.source_only is None:
        same = same or candidates
    equal = [o for o in same if _length(o) == _length(run)]
    return next(iter(equal or same), None)


def _length(run: ExperimentRun) -> int:
    return iteration_of(run.checkpoints[-1]) if run.checkpoints else 0
