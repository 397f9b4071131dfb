# Copyright (c) mmuda authors.
"""Results of all runs of an experiment in one small file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from typing_extensions import NotRequired, TypedDict

from experiments.experiment_files import Experiment, Row, read_experiment
from experiments.row_roles import Role
from experiments.run_records import RESULT, Result
from mmuda.utils.errors import ConfigError
from mmuda.utils.json_files import read_json, written_format

RESULTS = 'results'
FORMAT_VERSION = 1


class CollectedRun(TypedDict):
    """What is kept of a run; its seed is the key."""

    metrics: dict[str, float | None]
    checksum: str
    test_checksum: str
    amp: str
    iterations: int
    checkpoint: str
    seconds: float
    commits: list[str]
    versions: dict[str, str]
    threads: int
    device: str


class CollectedRow(TypedDict):
    """A row and its runs.

    Older files lack ``role`` and ``source_only``, the row to compare with.
    """

    title: str
    network: str
    config: str
    options: dict[str, Any]
    starts_from: str | None
    role: NotRequired[Role]
    source_only: NotRequired[str]
    runs: dict[str, CollectedRun]


class Collected(TypedDict):
    """Content of ``results/<experiment>.json``."""

    title: str
    source_only: str
    oracle: str | None
    rows: dict[str, CollectedRow]
    format_version: NotRequired[int]
    mmuda_version: NotRequired[str]


def collect_all(folder: Path, root: Path) -> dict[Path, str]:
    """Gather the results of all experiments that a folder holds.

    Args:
        folder: With a folder for each experiment.
        root: Of the repository, which holds the files of the experiments and
            the results of before.

    Returns:
        Texts of the files of results, by path.

    Raises:
        ConfigError: The folder holds none, or runs of a row are of different
            recipes.
        DataError: A file is damaged.
    """
    found = {}
    for file in sorted((root / 'experiments').glob('*.yml')):
        if (folder / file.stem).is_dir():
            experiment = read_experiment(file)
            path = root / RESULTS / f'{file.stem}.json'
            before = read_collected(path) if path.exists() else None
            content = collect(experiment, folder / file.stem, before)
            if content['rows']:
                found[path] = json.dumps(content, indent=1) + '\n'
    if not found:
        raise ConfigError(
            f'{str(folder)!r}: there is no finished run of an experiment; '
            'tools/run_experiments.py makes them'
        )
    return found


def read_collected(path: Path) -> Collected:
    """Read a file of results.

    Args:
        path: ``results/<experiment>.json``.

    Raises:
        DataError: It is damaged, or a later mmuda wrote it.
    """
    remedy = 'collect it again'
    return read_json(path, remedy, Collected, newest=FORMAT_VERSION)


def collect(
    experiment: Experiment, folder: Path, before: Collected | None
) -> Collected:
    """Gather the results of an experiment.

    Args:
        experiment: Whose rows are taken, in their order.
        folder: Of its runs.
        before: Results of other runs, perhaps on other machines, which are
            kept where they are of the same recipe; what of them is left out
            is told.

    Raises:
        ConfigError: Runs of a row are of different recipes.
        DataError: A file is damaged.
    """
    rows: dict[str, CollectedRow] = {}
    kept = _of_this_file(experiment, (before or {'rows': {}})['rows'])
    for name, row in experiment.rows.items():
        files = sorted((folder / name).glob(f'seed_*/{RESULT}'))
        results: list[Result] = [
            read_json(file, 'remove it, and run it again', Result)
            for file in files
        ]
        known = kept.get(name)
        if results:
            found = _collected(experiment, name, row, results, known)
        elif known:
            found = known
        else:
            continue
        # As the file says now, whatever was said when they were run.
        rows[name] = CollectedRow(
            title=found['title'],
            network=found['network'],
            config=found['config'],
            options=found['options'],
            starts_from=found['starts_from'],
            role=experiment.role_of(name),
            source_only=experiment.reference_of(name),
            runs=found['runs'],
        )
    return Collected(
        **written_format(FORMAT_VERSION),
        title=experiment.title,
        source_only=experiment.source_only,
        oracle=experiment.oracle,
        rows=rows,
    )


def _of_this_file(
    experiment: Experiment, known: Mapping[str, CollectedRow]
) -> dict[str, CollectedRow]:
    """Rows that are what the file says now, and so all they start from."""
    kept = {
        name: known[name]
        for name, row in experiment.rows.items()
        if name in known
        and known[name]['config'] == row.config
        and known[name]['options'] == {**row.options, **row.first_options}
        and known[name]['starts_from'] == row.starts_from
    }
    changed = {*known} - {*kept}
    while True:
        more = {n for n, row in kept.items() if row['starts_from'] in changed}
        if not more:
            break
        changed |= more
        kept = {n: row for n, row in kept.items() if n not in changed}
    for name in known:
        if name in changed:
            # Without a logger it is printed.
            print_log(
                f'{experiment.title}: known results of {name} are left out, '
                'as the file says another recipe now'
            )
    return kept


def _collected(
    experiment: Experiment,
    name: str,
    row: Row,
    results: list[Result],
    known: CollectedRow | None,
) -> CollectedRow:
    recipes = {result['checksum'] for result in results}
    if len(recipes) > 1:
        seeds = ', '.join(str(result['seed']) for result in results)
        raise ConfigError(
            f'rows.{name}: the seeds {seeds} were trained by different '
            'recipes; tools/run_experiments.py --changed rerun does so anew'
        )
    runs = {
        int(seed): run
        for seed, run in (known['runs'] if known else {}).items()
        if run['checksum'] in recipes
    }
    runs |= {result['seed']: _of_run(result) for result in results}
    return CollectedRow(
        title=row.title or name,
        network=row.network or experiment.network,
        config=results[0]['config'],
        options=results[0]['options'],
        starts_from=results[0]['starts_from'],
        runs={str(seed): runs[seed] for seed in sorted(runs)},
    )


def _of_run(result: Mapping[str, Any]) -> CollectedRun:
    keys = CollectedRun.__annotations__
    return CollectedRun(**{key: result[key] for key in keys})
