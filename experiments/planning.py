# Copyright (c) mmuda authors.
"""Which runs an experiment takes, in which order."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from experiments.command_lines import precision_of
from experiments.experiment_files import Experiment
from experiments.recipes import Recipe, read_recipes
from experiments.row_roles import sees_target
from experiments.run_records import Run, Status
from experiments.running import Runner
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import Precision
from mmuda.utils.processes import Command


def plan_runs(
    experiment: Experiment,
    only: Sequence[str] | None,
    seeds: Sequence[int],
    out: Path,
    data_roots: Mapping[str, str],
    precision: Precision,
) -> list[Run]:
    """Make the runs of an experiment.

    Args:
        experiment: What is compared.
        only: Rows that are wanted; what they start from is added.
        seeds: Of each row.
        out: Folder of all experiments.
        data_roots: Folders of the data sets by name.
        precision: Of rows that do not say it.

    Returns:
        All of the first seed, then of the next; of each seed first what
        others start from.

    Raises:
        ConfigError: A row, a config, an option or a role is wrong.
    """
    names = experiment.chosen(only)
    recipes = read_recipes(experiment, names, data_roots)
    check_roles(experiment, recipes)
    runs: list[Run] = []
    for seed in dict.fromkeys(seeds):
        by_row: dict[str, Run] = {}
        for name in names:
            row = experiment.rows[name]
            by_row[name] = Run(
                name,
                recipes[name],
                seed,
                out / experiment.name / name / f'seed_{seed}',
                precision_of(row, precision),
                by_row[row.starts_from] if row.starts_from else None,
                experiment.role_of(name),
                experiment.reference_of(name),
            )
        runs += by_row.values()
    return runs


def check_roles(experiment: Experiment, recipes: Mapping[str, Recipe]) -> None:
    """Refuse rows whose configs are not what their roles say.

    Args:
        experiment: That has the rows.
        recipes: Of rows, by name.

    Raises:
        ConfigError: A row that is said to be source-only sees a target, or
            one that sees none would count as a method.
    """
    for name, recipe in recipes.items():
        role = experiment.role_of(name)
        adapts = any(map(sees_target, recipe.configs.values()))
        if adapts and role in ('source_only', 'start'):
            raise ConfigError(
                f'rows.{name}: is source-only, or what that starts from, but '
                f'{recipe.row.config} trains on a target'
            )
        said = recipe.row.role is not None
        if not adapts and role == 'method' and not said:
            raise ConfigError(
                f'rows.{name}: {recipe.row.config} trains without a target, '
                'so it is no method that gains or harms; say role: '
                'source_only, or role: oracle if its source is a target with '
                'labels, or role: method if its images know the target '
                'otherwise'
            )


def plan_table(runner: Runner) -> tuple[Table, list[str]]:
    """How far all runs are, and the commands that are left.

    Args:
        runner: Of the experiment.
    """
    table = Table()
    for column in ('row', 'seed', 'status', 'iterations', 'starts from'):
        table.add_column(column, no_wrap=True, overflow='fold')
    lines = []
    for run, status in zip(
        runner.runs, runner.statuses().values(), strict=True
    ):
        table.add_row(
            run.row,
            str(run.seed),
            status,
            str(run.recipe.iterations),
            run.recipe.row.starts_from or '',
        )
        lines += _commands(runner, run, status)
    return table, lines


def _commands(runner: Runner, run: Run, status: Status) -> list[str]:
    if status == 'finished':
        return []
    if status == 'changed':
        return [f'# {run.name} has changed: {run.changes()}']
    return [_shown(job.command) for job in runner.commands(run, status)]


def _shown(command: Command) -> str:
    words = ['python', *command.words()[1:]]
    here = Path.cwd()
    return shlex.join(
        str(Path(word).relative_to(here))
        if word.startswith(f'{here}/')
        else word
        for word in words
    )
