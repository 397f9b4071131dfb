# Copyright (c) mmuda authors.
"""Co-training: translation, baseline, self-training, two models, final model.

Runs the stages of a config with cotraining, such as configs/cotraining, each
as a run of an ordinary tool with a config that is written to the work dir. The
same command continues after a stop, without doing finished stages again.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from mmuda.procedures.cotraining_cycles import CoTraining
from mmuda.procedures.cotraining_options import read_cotraining
from mmuda.procedures.curves import write_curves
from mmuda.procedures.preparation import (
    check_configs,
    check_data,
    list_images,
)
from mmuda.procedures.procedure_command import (
    ProcedureCommand,
    add_choice_options,
    check_processes,
)
from mmuda.procedures.state import ProcedureState, status_table
from mmuda.utils.checks import COUNT, SEED
from mmuda.utils.checksums import sha256_of
from mmuda.utils.cli import (
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
    enable_amp,
    precision_of_args,
)
from mmuda.utils.setup_env import register_all_modules

TOOLS = Path(__file__).parent


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser, 'config with cotraining')
    parser.add_argument(
        '--work-dir', type=path_argument, help='folder of everything'
    )
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
        '--seed',
        type=checked(SEED),
        help='of all stages, instead of cotraining.seed: that of the first '
        'cycle, each further one adds 1',
    )
    add_amp_option(parser, 'train and label')
    add_choice_options(parser, 'baseline or self_training/cycle_0')
    add_data_options(parser)
    add_verbose_option(parser)
    return parser.parse_args()


def procedure_from(args: argparse.Namespace) -> CoTraining:
    """Read and check the three configs."""
    options, configs, _ = read_cotraining(
        args.config, args.cfg_options, dict(args.data_root), args.seed
    )
    for config in configs.values():
        enable_amp(config, args.amp)
    setting = args.cfg_options.get('setting')
    work_dir = args.work_dir or Path(default_work_dir(args.config, setting))
    return CoTraining(
        options, **configs, work_dir=work_dir, given=args.baseline_checkpoint
    )


def identity(procedure: CoTraining, args: argparse.Namespace) -> dict:
    """All that the results depend on."""
    given = procedure.given
    return {
        'config (with --cfg-options and --data-root)': (
            procedure.cycle.pretty_text
        ),
        'baseline config': procedure.baseline.pretty_text,
        'final config': procedure.final.pretty_text,
        '--baseline-checkpoint': None if given is None else sha256_of(given),
        '--amp': args.amp != 'fp32' and args.amp,
        '--train-processes': args.train_processes,
    }


def report(
    procedure: CoTraining, console: Console, state: ProcedureState, code: int
) -> None:
    """Tell how far the stages are, and what they chose."""
    console.print(status_table(procedure.steps(), state))
    write_curves(procedure.steps(), procedure.work_dir)


def main(args: argparse.Namespace) -> int:
    """Run the stages that are left."""
    register_all_modules()
    # The same in all stages, on whatever machine they continue.
    args.amp = precision_of_args(args)
    check_processes(args, torch.cuda.device_count())
    procedure = procedure_from(args)
    tracing = ('--traceback',) if args.traceback else ()
    command = ProcedureCommand(
        procedure,
        TOOLS,
        identity=partial(identity, procedure, args),
        check_configs=partial(check_configs, procedure),
        check_data=partial(check_data, procedure),
        report=partial(report, procedure),
        prepare=partial(list_images, procedure),
        processes=args.processes,
        train_processes=args.train_processes,
        options=dict.fromkeys(
            ('train.py', 'generate_pseudo_labels.py'), tracing
        ),
    )
    return command.run(args)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
