# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Count the classes in the source labels of a config.

Writes the part of the labelled pixels that each class has, for the class-ratio
prior of MinEnt and AdvEnt (``class_ratio_prior.ratio``).
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmuda.datasets.class_ratios import class_ratios
from mmuda.registry import DATASETS
from mmuda.utils.cli import add_data_options, run_tool
from mmuda.utils.config import load_config, override_data_roots
from mmuda.utils.files import atomic_write
from mmuda.utils.setup_env import register_all_modules


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file with a source data set')
    parser.add_argument('out', type=Path, help='JSON file to write')
    parser.add_argument(
        '--workers', type=int, default=4, help='threads that read labels'
    )
    add_data_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Count, print and write."""
    register_all_modules()
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    dataset = DATASETS.build(cfg.train_dataloader.dataset.source)
    ratios = class_ratios(dataset, args.workers)
    table = Table('class', 'part of the labelled pixels')
    for name, ratio in zip(dataset.metainfo['classes'], ratios, strict=True):
        table.add_row(name, f'{ratio:.6f}')
    Console().print(table)
    atomic_write(args.out, json.dumps(ratios.tolist(), indent=1))
    print(f'written: {args.out}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
