# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Train, label the target, train on the labels; as often as wanted.

The whole recipe of a config with self_training, such as configs/esl or
configs/mtda/mlcl. Each stage is a run of its own; the same command continues
after a stop, without doing finished stages again.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from mmuda.procedures.self_training_rounds import (
    Recipe,
    SelfTrainingOptions,
    Stage,
    require_same_recipe,
    write_summary,
)
from mmuda.pseudo_labels.labelling_jobs import check_labelling
from mmuda.pseudo_labels.labelling_options import target_names
from mmuda.utils.checks import COUNT, SEED
from mmuda.utils.checksums import sha256_of
from mmuda.utils.cli import (
    OptionsAction,
    add_data_options,
    add_verbose_option,
    checked,
    run_tool,
)
from mmuda.utils.config import (
    default_work_dir,
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.locks import only_writer
from mmuda.utils.processes import Command, run_side_by_side
from mmuda.utils.setup_env import register_all_modules

TOOLS = Path(__file__).parent


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', type=Path, help='config of the rounds')
    add('--work-dir', type=Path, help='folder of all rounds')
    add('--rounds', type=checked(COUNT), help='in place of the config')
    add(
        '--initial-checkpoint',
        type=Path,
        metavar='CHECKPOINT',
        help='label with this one first, without a first training',
    )
    add(
        '--continue-training',
        action='store_true',
        default=None,
        help='start each round from the weights before it, not from ImageNet',
    )
    add(
        '--processes',
        type=checked(COUNT),
        default=1,
        metavar='N',
        help='one for each GPU, or on CPUs where there is none',
    )
    add('--seed', type=checked(SEED), help='seed of all trainings')
    add('--amp', action='store_true', help='train in mixed precision (GPU)')
    add_data_options(parser)
    add_verbose_option(parser)
    add(
        '--initial-cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='values for the first training; those of --cfg-options are for '
        'labelling and the rounds',
    )
    return parser.parse_args()


def recipe_from(args: argparse.Namespace) -> tuple[Recipe, dict]:
    """Read and check both configs.

    Returns:
        The recipe, and what it must have in common with an earlier call.
    """
    cfg = load_config(args.config, args.cfg_options)
    options = SelfTrainingOptions.from_config(cfg)
    initial = args.config.parent / options.initial
    setting = args.cfg_options.get('setting')
    initial_changes = dict(args.initial_cfg_options)
    if setting is not None:
        initial_changes.setdefault('setting', setting)
    first = load_config(initial, initial_changes)
    for config in (cfg, first):
        override_data_roots(config, dict(args.data_root))
    if args.rounds is not None:
        options = replace(options, rounds=args.rounds)
    if args.continue_training is not None:
        options = replace(options, continue_training=args.continue_training)
    recipe = Recipe(
        args.config,
        initial,
        args.work_dir or Path(default_work_dir(args.config, setting)),
        options.rounds,
        # A config may write 40e3.
        (int(first.train_cfg.max_iters), int(cfg.train_cfg.max_iters)),
        options.continue_training,
        args.initial_checkpoint,
        options.label_online,
        options=shared_options(args, args.cfg_options),
        initial_options=shared_options(args, initial_changes),
        train_options=train_options(args),
    )
    same = identity(recipe, cfg, first, args)
    with config_errors(cfg):
        for domain in target_names(cfg):
            check_labelling(
                cfg, recipe.work_dir / 'round_1/pseudo_labels', domain
            )
    return recipe, same


def identity(
    recipe: Recipe, cfg: Config, first: Config, args: argparse.Namespace
) -> dict:
    """All that results depend on, but the number of rounds."""
    checkpoint = recipe.initial_checkpoint
    given = None if checkpoint is None else sha256_of(checkpoint)
    return {
        'config (with --cfg-options and --data-root)': cfg.pretty_text,
        'first config': first.pretty_text if checkpoint is None else None,
        '--initial-checkpoint': given,
        '--continue-training': recipe.continue_training,
        '--seed': args.seed,
        '--amp': args.amp,
        '--processes': args.processes,
    }


def shared_options(args: argparse.Namespace, changes: dict) -> list[str]:
    """Arguments for every tool."""
    options = []
    if args.data_root:
        options.append('--data-root')
        options += [f'{name}={path}' for name, path in args.data_root]
    if changes:
        options.append('--cfg-options')
        options += [f'{key}={value}' for key, value in changes.items()]
    return options + (['--traceback'] if args.traceback else [])


def train_options(args: argparse.Namespace) -> list[str]:
    """Arguments for the trainings."""
    options = [] if args.seed is None else ['--seed', str(args.seed)]
    return options + (['--amp'] if args.amp else [])


def run_stage(stage: Stage, processes: int) -> int:
    """Run a stage and return its exit code."""
    command = Command(TOOLS / stage.tool, stage.arguments, processes)
    return run_side_by_side([command])[0]


def main(args: argparse.Namespace) -> int:
    """Run the stages that are left."""
    register_all_modules()
    recipe, identity = recipe_from(args)
    with only_writer(work_dir=recipe.work_dir):
        return run_recipe(recipe, identity, args.processes)


def run_recipe(recipe: Recipe, identity: dict, processes: int) -> int:
    """Run the stages that are left in a folder that is locked."""
    require_same_recipe(recipe.work_dir, identity)
    console = Console()
    seconds: dict[str, float] = {}
    count = len(recipe.stages())
    for position in range(count):
        # Made anew: what a training continues from depends on what is there.
        stage = recipe.stages()[position]
        title = f'[{position + 1}/{count}] {stage.name}'
        if stage.is_done:
            console.print(f'{title}: done before', markup=False)
            continue
        console.print(title, markup=False)
        start = time.monotonic()
        code = run_stage(stage, processes)
        if code or not stage.is_done:
            console.print(
                f'{title}: stopped; the same command continues', markup=False
            )
            return code or 1
        seconds[stage.name] = time.monotonic() - start
    console.print(write_summary(recipe, seconds), markup=False)
    console.print(f'Results: {recipe.work_dir}')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
