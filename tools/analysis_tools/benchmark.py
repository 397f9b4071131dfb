# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Measure what training and evaluation cost beyond the bare network.

All goals but one are ratios of two things measured in turns in this run, so
that they hold on any machine; times stand beside them for information.
Images are generated in a temporary folder unless --data-root is given.
"""

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from mmuda.benchmark.data import (
    label_rows,
    loading_rows,
    make_data,
    sampler_rows,
)
from mmuda.benchmark.evaluation import evaluation_rows
from mmuda.benchmark.measure import Row
from mmuda.benchmark.report import environment, make_table, save_json
from mmuda.benchmark.setting import (
    scale_sizes,
    set_depth,
    without_pretrained,
)
from mmuda.benchmark.training import memory_rows, speed_rows
from mmuda.benchmark.training_case import TrainingCase
from mmuda.utils.cli import OptionsAction, add_config_options, run_tool
from mmuda.utils.config import load_config, override_data_roots
from mmuda.utils.setup_env import register_all_modules

PARTS = ('speed', 'memory', 'loading', 'labels', 'evaluation', 'sampler')


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_measuring_options(parser)
    add = parser.add_argument
    add('--config', default='configs/advent/gta2cs.py', help='config file')
    add('--only', nargs='+', choices=PARTS, default=PARTS, help='parts')
    add(
        '--size-factor',
        type=float,
        default=0.5,
        help='factor on the image sizes of training and evaluation',
    )
    add('--depth', type=int, help='of the ResNet; the config has it')
    add('--images', type=int, default=4, help='images of each data set')
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
    add('--traceback', action='store_true', help='show where errors arise')
    return parser.parse_args(arguments)


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of how to measure."""
    add = parser.add_argument
    add('--rounds', type=int, default=5, help='timed runs of each variant')
    add('--warmup', type=int, default=1, help='runs before them')
    add(
        '--cpu-time',
        action='store_true',
        help='measure the work of the processor, for a machine that runs '
        'other programs; no GPU, and loader processes do not count',
    )
    add('--threads', type=int, help='of PyTorch on the CPU')
    add(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='cpu, cuda or cuda:N',
    )


class Benchmark:
    """The parts of the benchmark; what several need is made once.

    Args:
        args: The command line.
        folder: For generated data and the runner's files.
        tell: Called with a message at each step.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        self.args, self.folder, self.tell = args, folder, tell
        self.part = ''
        self.cfg = load_config(args.config, args.cfg_options)
        without_pretrained(self.cfg)
        if args.depth is not None:
            set_depth(self.cfg, args.depth)
        override_data_roots(self.cfg, args.data_root)
        self.timing = dict(
            rounds=args.rounds,
            warmup=args.warmup,
            clock=time.process_time if args.cpu_time else time.perf_counter,
            tick=self.tick,
        )

    def run(self, part: str) -> list[Row]:
        """Measure one part."""
        self.part = part
        return getattr(self, part)()

    def tick(self, step: str) -> None:
        """Tell which step of the current part begins."""
        self.tell(f'{self.part}: {step}')

    def speed(self) -> list[Row]:
        """Iterations against the bare network."""
        return speed_rows(self.training_case, **self.timing)

    def memory(self) -> list[Row]:
        """Peak of an iteration against that of one domain."""
        return memory_rows(self.training_case, self.tick)

    def loading(self) -> list[Row]:
        """The data set against Pillow, at the sizes of the config."""
        cfg = self.config_with_data('loading')
        return loading_rows(cfg, self.args.images, **self.timing)

    def labels(self) -> list[Row]:
        """The label table against masked writes."""
        return label_rows(**self.timing)

    def evaluation(self) -> list[Row]:
        """The validation loop against the bare forward pass."""
        factor = self.args.size_factor
        cfg = self.config_with_data('evaluation', factor)
        scale_sizes(cfg, factor)
        return evaluation_rows(
            cfg,
            self.folder / 'work_dir',
            self.args.images,
            device=self.args.device,
            **self.timing,
        )

    def sampler(self) -> list[Row]:
        """The sampler's jump when a run is resumed."""
        return sampler_rows(**self.timing)

    @cached_property
    def training_case(self) -> TrainingCase:
        """Models and batch of the training parts."""
        cfg = copy.deepcopy(self.cfg)
        scale_sizes(cfg, self.args.size_factor)
        return TrainingCase(cfg, self.args.device)

    def config_with_data(self, name: str, factor: float = 1.0) -> Config:
        """Copy of the config, with generated data if none was given."""
        cfg = copy.deepcopy(self.cfg)
        if not self.args.data_root:
            self.tick('generating images')
            make_data(cfg, self.folder / name, self.args.images, factor)
        return cfg


def main(args: argparse.Namespace) -> None:
    """Measure the chosen parts and print the table."""
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
