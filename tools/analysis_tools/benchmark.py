# Copyright (c) mmuda authors.
"""Measure what training, evaluation and labelling cost beyond the network.

Nearly all goals on time are ratios of two things measured in turns in this
run, so that they hold on any machine; times stand beside them for information.
Images are generated in a temporary folder unless --data-root is given.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
import tempfile
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from mmuda.utils.checks import COUNT, POSITIVE, WHOLE
from mmuda.utils.cli import (
    OptionsAction,
    add_config_options,
    add_traceback_option,
    checked,
    run_tool,
)
from mmuda.utils.devices import device_of
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.threads import usable_cores

# These are beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.benchmark_report import environment, make_table, save_json
from benchmarks.parts import DEFAULT_PARTS, PARTS, Benchmark

count = checked(COUNT)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_measuring_options(parser)
    add = parser.add_argument
    add('--config', default='configs/advent/gta2cs.py', help='config file')
    add(
        '--only', nargs='+', choices=PARTS, default=DEFAULT_PARTS, help='parts'
    )
    add_training_options(parser)
    add('--images', type=count, default=4, help='images of each data set')
    add(
        '--set-sizes',
        type=count,
        nargs='+',
        default=(300, 3000),
        metavar='N',
        help='numbers of tiny images to label for labelling_memory, and of '
        'tiny labels to count for scaling',
    )
    add_several_targets_options(parser)
    add('--json', metavar='OUT', help='also write the rows to this file')
    add(
        '--data-root',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='DOMAIN=PATH',
        help='measure with these folders; without them images are generated',
    )
    add_config_options(parser)
    add_traceback_option(parser)
    return parser.parse_args(arguments)


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of how to measure."""
    add = parser.add_argument
    add('--rounds', type=count, default=5, help='timed runs of each variant')
    add('--warmup', type=checked(WHOLE), default=1, help='runs before them')
    add(
        '--cpu-time',
        action='store_true',
        help='measure the work of the processor, for a machine that runs '
        'other programs; no GPU, and loader processes do not count',
    )
    add('--threads', type=count, help='of PyTorch on the CPU')
    add(
        '--processes',
        type=count,
        nargs='+',
        # With one core there is nothing to compare.
        default=(1, 2)[: usable_cores()],
        metavar='N',
        help='numbers of processes, a core each, for the part scaling',
    )
    add(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='cpu, cuda or cuda:N',
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the network and its images."""
    add = parser.add_argument
    add(
        '--size-factor',
        type=checked(POSITIVE, float),
        default=0.5,
        help='factor on the image sizes of training, evaluation, labelling',
    )
    add('--depth', type=count, help='of the ResNet; the config has it')
    add(
        '--minutes',
        type=checked(POSITIVE, float),
        default=5.0,
        help='that iterations of the part precisions take together',
    )
    add(
        '--published',
        type=Path,
        metavar='DIR',
        help='a checkout of github.com/valeoai/ADVENT whose loop takes turns '
        'with ours in the part steps',
    )


def add_several_targets_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the parts on several targets."""
    add = parser.add_argument
    add(
        '--targets',
        type=count,
        nargs='+',
        default=(1, 2, 3, 5),
        metavar='T',
        help='numbers of targets for the parts on several targets',
    )
    add(
        '--targets-size',
        type=checked(POSITIVE, float),
        default=0.05,
        metavar='FACTOR',
        help='factor on the image sizes of several_targets and its '
        'evaluation; 1 for the real ones',
    )
    add(
        '--targets-memory',
        type=checked(POSITIVE, float),
        nargs=2,
        default=(0.12, 0.25),
        metavar=('SIZE', 'WIDTH'),
        help='factors on the image sizes of several_targets_memory, and on '
        'the channels of the network, which make its heads weigh more the '
        'fewer they are; 1 1 for the real ones',
    )


def main(args: argparse.Namespace) -> None:
    """Measure the chosen parts and print the table."""
    device_of(args.device)  # now, not after parts that need none
    register_all_modules()
    # Networks log each weight that they initialise.
    MMLogger.get_instance('benchmark', log_level='ERROR')
    if args.threads:
        torch.set_num_threads(args.threads)
    rows = []
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('{task.description}'),
    )
    with (
        tempfile.TemporaryDirectory(prefix='mmuda_benchmark_') as folder,
        Progress(*columns, console=Console(stderr=True)) as bar,
    ):
        task = bar.add_task('', total=len(args.only))
        benchmark = Benchmark(
            args,
            Path(folder),
            lambda text: bar.update(task, description=text),
        )
        for part in args.only:
            rows += benchmark.run(part)
            bar.advance(task)
    setting = environment(args.device) | dict(
        config=args.config,
        depth=benchmark.cfg.model.segmentor.backbone.get('depth'),
        size_factor=args.size_factor,
        rounds=args.rounds,
        clock='cpu' if args.cpu_time else 'wall',
    )
    title = ', '.join(f'{key} {value}' for key, value in setting.items())
    Console(width=None if sys.stdout.isatty() else 140).print(
        make_table(rows, title)
    )
    if args.json:
        save_json(args.json, rows, setting)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
