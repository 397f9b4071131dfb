# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Co-training: translation, baseline, self-training, two models, final model.

Runs the stages of a config with cotraining, such as configs/cotraining, each
as a run of an ordinary tool with a config that is written to the work dir. The
same command continues after a stop, without doing finished stages again.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

from mmuda.procedures.cotraining_cycles import Procedure
from mmuda.procedures.cotraining_options import CoTrainingOptions
from mmuda.procedures.curves import write_curves
from mmuda.procedures.estimates import plan_table
from mmuda.procedures.execution import (
    Devices,
    Executor,
    choose_steps,
    require_first_inputs,
    visible_gpus,
)
from mmuda.procedures.preparation import check_procedure, list_images
from mmuda.procedures.self_training_rounds import require_same_recipe
from mmuda.procedures.stages import Step
from mmuda.procedures.state import ProcedureState, status_table
from mmuda.utils.checks import COUNT
from mmuda.utils.checksums import sha256_of
from mmuda.utils.cli import (
    add_data_options,
    add_verbose_option,
    checked,
    run_tool,
)
from mmuda.utils.config import (
    default_work_dir,
    enable_amp,
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.config_values import check_config
from mmuda.utils.errors import ConfigError
from mmuda.utils.locks import is_locked, only_writer
from mmuda.utils.setup_env import register_all_modules

TOOLS = Path(__file__).parent


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=Path, help='config with cotraining')
    parser.add_argument('--work-dir', type=Path, help='folder of everything')
    parser.add_argument(
        '--baseline-checkpoint',
        type=Path,
        metavar='CHECKPOINT',
        help='take this one, without a training on the source',
    )
    parser.add_argument(
        '--processes',
        type=checked(COUNT),
        default=1,
        metavar='N',
        help='one for each GPU, or on CPUs where there is none; they label '
        'together, and A and B are trained side by side if there are enough. '
        'Results do not depend on it',
    )
    parser.add_argument(
        '--train-processes',
        type=checked(COUNT),
        default=1,
        metavar='M',
        help='of each training, of those N; each has a batch of its own, so '
        'results depend on it',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision (GPU)'
    )
    _add_choice_options(parser)
    add_data_options(parser)
    add_verbose_option(parser)
    return parser.parse_args()


def _add_choice_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose stages, or only look at them."""
    parser.add_argument(
        '--stage',
        action='append',
        metavar='NAME',
        help='run only this stage or group of stages, such as baseline or '
        'self_training/cycle_0 (--dry-run lists them); may be repeated',
    )
    parser.add_argument(
        '--from',
        dest='first',
        metavar='NAME',
        help='begin with this stage or group, whose inputs must be there',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print the plan with times and disk space; run nothing',
    )
    parser.add_argument(
        '--status', action='store_true', help='print how far the stages are'
    )


def procedure_from(args: argparse.Namespace) -> Procedure:
    """Read and check the three configs."""
    cycle = load_config(args.config, args.cfg_options, check=False)
    options = CoTrainingOptions.from_config(cycle)
    folder = args.config.parent
    shared = {
        key: value
        for key, value in args.cfg_options.items()
        if not key.startswith('cotraining.')
    }
    configs = {
        'cycle': cycle,
        'baseline': load_config(
            folder / options.baseline, shared, check=False
        ),
        'final': load_config(folder / options.final, shared, check=False),
    }
    for config in configs.values():
        try:
            check_config(config)
        except ConfigError as error:
            raise ConfigError(f'{config.filename}: {error}') from error
        override_data_roots(config, dict(args.data_root))
        if args.amp:
            enable_amp(config)
    work_dir = args.work_dir or Path(default_work_dir(args.config))
    return Procedure(
        options, **configs, work_dir=work_dir, given=args.baseline_checkpoint
    )


def identity(procedure: Procedure, args: argparse.Namespace) -> dict:
    """All that the results depend on."""
    given = procedure.given
    return {
        'config (with --cfg-options and --data-root)': (
            procedure.cycle.pretty_text
        ),
        'baseline config': procedure.baseline.pretty_text,
        'final config': procedure.final.pretty_text,
        '--baseline-checkpoint': None if given is None else sha256_of(given),
        '--amp': args.amp,
        '--train-processes': args.train_processes,
    }


def check_processes(args: argparse.Namespace, gpus: int) -> None:
    """Refuse numbers of processes that there is no place for."""
    if 0 < gpus < args.processes:
        raise ConfigError(
            f'--processes {args.processes}: there are {gpus} GPU(s) '
            '(CUDA_VISIBLE_DEVICES), and each process needs one'
        )
    if args.train_processes > args.processes:
        raise ConfigError(
            f'--train-processes {args.train_processes}: at most --processes '
            f'{args.processes}'
        )


def main(args: argparse.Namespace) -> int:
    """Run the stages that are left."""
    register_all_modules()
    check_processes(args, torch.cuda.device_count())
    procedure = procedure_from(args)
    work_dir = procedure.work_dir
    steps = choose_steps(procedure.steps(), args.stage, args.first)
    # Tables are wider than the 80 columns that a file would get.
    console = Console(width=max(Console().width, 110))
    if args.status:
        state, running = ProcedureState(work_dir), is_locked(work_dir)
        console.print(status_table(procedure.steps(), state, running))
        return 0
    check_procedure(procedure)
    if args.dry_run:
        state = ProcedureState(work_dir)
        console.print(plan_table(procedure, steps, state))
        return 0
    require_first_inputs(steps[0])
    with only_writer(work_dir=work_dir):
        return run_procedure(procedure, steps, args, console)


def run_procedure(
    procedure: Procedure,
    steps: list[Step],
    args: argparse.Namespace,
    console: Console,
) -> int:
    """Run the stages that are left in a folder that is locked."""
    work_dir = procedure.work_dir
    require_same_recipe(work_dir, identity(procedure, args))
    list_images(procedure)
    state = ProcedureState(work_dir)
    code = run_steps(steps, state, args, console)
    console.print(status_table(procedure.steps(), state))
    write_curves(procedure.steps(), work_dir)
    return code


def run_steps(
    steps: list[Step],
    state: ProcedureState,
    args: argparse.Namespace,
    console: Console,
) -> int:
    """Run steps until one stops."""
    tracing = ('--traceback',) if args.traceback else ()
    executor = Executor(
        TOOLS,
        state,
        Devices(args.processes, visible_gpus(torch.cuda.device_count())),
        dict.fromkeys(('train.py', 'generate_pseudo_labels.py'), tracing),
        lambda line: console.print(line, markup=False),
        args.train_processes,
    )
    for number, step in enumerate(steps):
        done = all(stage.is_done for stage in step)
        names = ', '.join(stage.name for stage in step)
        title = f'[{number + 1}/{len(steps)}]'
        if done:
            for stage in step:
                state.confirm(stage)
            console.print(f'{title} {names}: done before', markup=False)
            continue
        console.print(f'{title} {names}', markup=False)
        code = executor.run(step)
        if code:
            console.print(
                f'{title} {names}: stopped; the same command continues',
                markup=False,
            )
            return code
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
