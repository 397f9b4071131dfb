# Copyright (c) mmuda authors.
"""Command lines of the tools that train and test a row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.experiment_files import Row
from experiments.recipes import Recipe
from mmuda.utils.cli import option_value
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import Precision, amp_arguments
from mmuda.utils.processes import Command

# Co-training adds the number of a cycle to its seed.
_SEEDS_OF_CYCLES = 100
_START = {
    'train': '--load-from',
    'self_train': '--initial-checkpoint',
    'cotrain': '--baseline-checkpoint',
}


def training_command(
    tools: Path,
    recipe: Recipe,
    folder: Path,
    seed: int,
    precision: Precision,
    start: Path | None,
    roots: Mapping[str, str],
    keep: int | None = None,
) -> Command:
    """Command that trains a row, or continues to.

    Args:
        tools: Folder of the tools.
        recipe: Of the row.
        folder: Of the run.
        seed: Of all random numbers.
        precision: Of the networks.
        start: Checkpoint of the row that it starts from.
        roots: Folders of the data sets by domain.
        keep: Checkpoints of the last training to keep, spread over it; None
            as the config says.
    """
    row, options = recipe.row, dict(recipe.row.options)
    words = [str(row.file), '--work-dir', str(folder)]
    if row.tool == 'cotrain':
        # The published seed for seed 0.
        options['cotraining.seed'] = _SEEDS_OF_CYCLES * (seed + 1)
    else:
        words += ['--seed', str(seed)]
    if row.tool == 'train':
        words.append('--resume')
    if start is not None:
        words += [_START[row.tool], str(start)]
    if keep is not None:
        interval = -(-recipe.last_iterations // keep)
        options |= {
            'default_hooks.checkpoint.interval': interval,
            'default_hooks.checkpoint.max_keep_ckpts': keep,
        }
    words += _data_and_options(roots, options)
    if row.first_options:
        words += ['--initial-cfg-options', *option_words(row.first_options)]
    words += amp_arguments(precision)
    return Command(tools / f'{row.tool}.py', words, log=folder / 'train.log')


def test_command(
    tools: Path, recipe: Recipe, folder: Path, roots: Mapping[str, str]
) -> Command:
    """Command that tests the last checkpoint of a row.

    Args:
        tools: Folder of the tools.
        recipe: Of the row.
        folder: Of the run; ``test`` in it gets the metrics.
        roots: Folders of the data sets by domain.
    """
    test = recipe.row.test
    words = [str(recipe.file), str(folder / recipe.checkpoint)]
    words += ['--work-dir', str(folder / 'test')]
    for option in ('head', 'protocol'):
        value = getattr(test, option)
        words += [] if value is None else [f'--{option}', value]
    words += ['--tta'] if test.tta else []
    words += _data_and_options(roots, {**recipe.options, **test.options})
    words += amp_arguments(test.amp)
    return Command(tools / 'test.py', words, log=folder / 'test.log')


def precision_of(row: Row, default: Precision) -> Precision:
    """Precision in which a row is trained.

    Args:
        row: May have one of its own.
        default: Of the others.
    """
    return default if row.amp is None else row.amp


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Options as ``--cfg-options`` reads them.

    Args:
        options: Plain values or lists of them by dotted key.

    Raises:
        ConfigError: A value would be read as another one.
    """
    words = []
    for key, value in options.items():
        text = _text(value)
        if option_value(text) != value:
            raise ConfigError(
                f'options.{key}: a command line cannot say {value!r}; write a '
                'config with it, and name that'
            )
        words.append(f'{key}={text}')
    return words


def _data_and_options(
    roots: Mapping[str, str], options: Mapping[str, Any]
) -> list[str]:
    words = []
    if roots:
        words.append('--data-root')
        words += [f'{domain}={path}' for domain, path in roots.items()]
    if options:
        words += ['--cfg-options', *option_words(options)]
    return words


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f'[{",".join(map(_text, value))}]'
    return str(value)
