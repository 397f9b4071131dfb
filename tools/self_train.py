# Copyright (c) mmuda authors.
"""Train, label the target, train on the labels; as often as wanted.

The whole recipe of a config with self_training, such as configs/esl or
configs/mtda. Each stage is a run of its own; the same command continues
after a stop, without doing finished stages again.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from mmuda.procedures.procedure_command import (
    ProcedureCommand,
    add_choice_options,
    check_processes,
)
from mmuda.procedures.self_training_rounds import (
    RoundArguments,
    SelfTraining,
    read_rounds,
)
from mmuda.procedures.state import ProcedureState
from mmuda.utils.checks import COUNT, SEED
from mmuda.utils.checksums import sha256_of
from mmuda.utils.cli import (
    OptionsAction,
    add_config_argument,
    add_data_options,
    add_verbose_option,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.config import default_work_dir
from mmuda.utils.mixed_precision import (
    add_amp_option,
    amp_arguments,
    precision_of_args,
)
from mmuda.utils.setup_env import register_all_modules

TOOLS = Path(__file__).parent


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_config_argument(parser, 'config of the rounds')
    add('--work-dir', type=path_argument, help='folder of all rounds')
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
        help='one a GPU, or on CPUs without; several targets share them',
    )
    add('--seed', type=checked(SEED), help='seed of all trainings')
    add_amp_option(parser, 'train and label')
    add_choice_options(parser, 'round_1/label or round_1')
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


def procedure_from(args: argparse.Namespace) -> SelfTraining:
    """Read and check both configs."""
    options, first, cfg, files, first_changes = read_rounds(
        args.config,
        args.cfg_options,
        args.initial_cfg_options,
        dict(args.data_root),
    )
    setting = args.cfg_options.get('setting')
    if args.rounds is not None:
        options = replace(options, rounds=args.rounds)
    if args.continue_training is not None:
        options = replace(options, continue_training=args.continue_training)
    return SelfTraining(
        options,
        first,
        cfg,
        files,
        args.work_dir or Path(default_work_dir(args.config, setting)),
        args.initial_checkpoint,
        args.seed,
        RoundArguments(
            shared_options(args, args.cfg_options),
            shared_options(args, first_changes),
            train_options(args),
        ),
    )


def identity(procedure: SelfTraining, args: argparse.Namespace) -> dict:
    """All that results depend on, but the number of rounds."""
    first, given = procedure.first, procedure.given
    return {
        'config (with --cfg-options and --data-root)': (
            procedure.cfg.pretty_text
        ),
        'first config': first.pretty_text if given is None else None,
        '--initial-checkpoint': None if given is None else sha256_of(given),
        '--continue-training': procedure.options.continue_training,
        '--seed': args.seed,
        '--amp': args.amp != 'fp32' and args.amp,
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
    options += ['--traceback'] if args.traceback else []
    return options + amp_arguments(args.amp)


def train_options(args: argparse.Namespace) -> list[str]:
    """Arguments for the trainings."""
    return [] if args.seed is None else ['--seed', str(args.seed)]


def report(
    procedure: SelfTraining, console: Console, state: ProcedureState, code: int
) -> None:
    """Tell what the rounds brought, once they are finished."""
    if code == 0:
        console.print(procedure.write_summary(state), markup=False)
        console.print(f'Results: {procedure.work_dir}')


def main(args: argparse.Namespace) -> int:
    """Run the stages that are left."""
    register_all_modules()
    # The same in all stages, on whatever machine they continue.
    args.amp = precision_of_args(args)
    check_processes(args, torch.cuda.device_count())
    procedure = procedure_from(args)
    command = ProcedureCommand(
        procedure,
        TOOLS,
        identity=partial(identity, procedure, args),
        check_configs=procedure.check_configs,
        check_data=procedure.check_data,
        report=partial(report, procedure),
        processes=args.processes,
        # Results depend on it, so all trainings have as many.
        train_processes=args.processes,
    )
    return command.run(args)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
