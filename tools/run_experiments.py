# Copyright (c) mmuda authors.
"""Train and test all rows of an experiment, each with several seeds.

What is finished is not done again, and what was begun goes on: the same
command continues after a stop.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path
from typing import get_args

import torch
from rich.console import Console

from mmuda.procedures.execution import visible_gpus
from mmuda.utils.checks import COUNT, SEED
from mmuda.utils.cli import (
    add_data_roots,
    add_traceback_option,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.locks import only_writer
from mmuda.utils.mixed_precision import add_amp_option, precision_of_args
from mmuda.utils.processes import INTERRUPTED
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.threads import COUNT as THREADS
from mmuda.utils.threads import fixed_at

# These are beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from experiments import (
    Changed,
    Experiment,
    Runner,
    plan_runs,
    plan_table,
    read_experiment,
)

TOOLS = Path(__file__).resolve().parent


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_choices(parser)
    add_running(parser)
    add_amp_option(parser, 'train')
    add_data_roots(parser)
    add_traceback_option(parser)
    return parser.parse_args()


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add what is run, and where it is written."""
    add = parser.add_argument
    add('experiment', type=Path, help='such as experiments/demo.yml')
    add(
        '--seeds',
        nargs='+',
        type=checked(SEED),
        default=[0, 1, 2],
        metavar='N',
        help='seeds of each row (default: 0 1 2)',
    )
    add(
        '--only',
        nargs='+',
        metavar='ROW',
        help='rows to run, with those that they start from (default: all)',
    )
    add(
        '--out',
        type=path_argument,
        default=Path('work_dirs/experiments'),
        metavar='DIR',
        help='folder of all experiments; a run writes '
        'DIR/EXPERIMENT/ROW/seed_N (default: work_dirs/experiments)',
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add how it is run."""
    add = parser.add_argument
    add(
        '--processes',
        type=checked(COUNT),
        default=1,
        metavar='N',
        help='runs at the same time; GPUs take turns',
    )
    add(
        '--threads',
        type=checked(COUNT),
        metavar='N',
        help='of each run, whichever run beside it (default: 1 if --processes '
        'is more than 1, else as many as there are cores)',
    )
    add(
        '--keep-checkpoints',
        type=checked(COUNT),
        metavar='K',
        help='checkpoints to keep of each last training, spread over it '
        '(default: as the configs say)',
    )
    add(
        '--changed',
        choices=get_args(Changed),
        default='refuse',
        help='runs whose config is no longer that of the file are refused, '
        'removed and run anew, or their results kept (default: refuse)',
    )
    add(
        '--dry-run',
        action='store_true',
        help='list runs and commands; run nothing',
    )


def runner_from(args: argparse.Namespace, experiment: Experiment) -> Runner:
    """Check all rows, and where they run."""
    for name, path in args.data_root:
        if not Path(path).is_dir():
            raise ConfigError(f'--data-root {name}={path}: no such folder')
    roots = dict(args.data_root)
    precision = precision_of_args(args)
    runs = plan_runs(
        experiment, args.only, args.seeds, args.out, roots, precision
    )
    # Another number rounds differently, so it does not depend on what is left.
    threads = {THREADS: str(args.threads)} if args.threads else {}
    threads = threads or fixed_at(1 if args.processes > 1 else None)
    gpus = visible_gpus(torch.cuda.device_count())
    places = [
        {**threads, 'CUDA_VISIBLE_DEVICES': gpus[number % len(gpus)]}
        if gpus
        else threads
        for number in range(args.processes)
    ]
    console = Console(markup=False)
    return Runner(
        TOOLS,
        runs,
        roots,
        places,
        int(threads.get(THREADS, torch.get_num_threads())),
        args.keep_checkpoints,
        args.changed,
        lambda line: console.print(line, soft_wrap=True),
    )


def main(args: argparse.Namespace) -> int:
    """Run what is left; 1 if something did not get to its end."""
    register_all_modules()
    experiment = read_experiment(args.experiment)
    runner = runner_from(args, experiment)
    if args.dry_run:
        table, commands = plan_table(runner)
        Console(width=120, markup=False).print(table)
        print('\n'.join(commands))
        return 0
    with only_writer(out=args.out / experiment.name):
        try:
            runner.run()
        except KeyboardInterrupt:
            print('Stopped; the same command continues where it was.')
            return INTERRUPTED
    for name, reason in runner.failed.items():
        print(f'not finished: {name}: {reason}', file=sys.stderr)
    return 1 if runner.failed else 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
