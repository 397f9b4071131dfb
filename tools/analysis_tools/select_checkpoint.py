# Copyright (c) mmuda authors.
"""Rank checkpoints of one or several runs without labels of the target.

Their networks may differ (--configs); all see the images of CONFIG.

Prints and writes all label-free scores. The order is that of the mean rank
over the first table's columns; a checkpoint that has forgotten the source
stands behind all others. What the scores mean is said in
docs/label_free_validation.md.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from mmuda.model_selection.checkpoint_scores import score_checkpoints
from mmuda.model_selection.sampling_options import (
    add_configs_option,
    add_head_option,
    add_sampling_options,
    load_configs,
    named_configs,
    sampling_of,
    use_head_of_args,
)
from mmuda.pseudo_labels.labelling_report import ProgressLines
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    not_empty,
    run_tool,
)
from mmuda.utils.config import load_config
from mmuda.utils.config_data import override_data_roots
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.output_files import require_outputs
from mmuda.utils.setup_env import register_all_modules


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser, 'config file of the network')
    parser.add_argument('checkpoint', nargs='+', help='checkpoints to rank')
    parser.add_argument(
        '--out',
        type=not_empty,
        metavar='FILE',
        help='also write the scores as JSON',
    )
    add_configs_option(parser)
    add_sampling_options(parser)
    add_head_option(parser)
    add_data_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Score, print and write."""
    own = named_configs(args.configs, args.checkpoint)
    read = [args.config, *args.checkpoint, *own.values()]
    require_outputs({'--out': args.out}, read)
    register_all_modules()
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    use_head_of_args(cfg, args)
    files = [Path(file).resolve() for file in args.checkpoint]
    if twice := [file for file in files if files.count(file) > 1]:
        raise ConfigError(f"'{twice[0]}' is named twice; name it once")
    console, progress = Console(markup=False), Console(stderr=True)
    with config_errors(cfg):
        scores = score_checkpoints(
            cfg,
            args.checkpoint,
            sampling_of(args),
            ProgressLines(write=progress.print),
            load_configs(own, '--configs'),
        )
    for line in scores.legend():
        console.print(line, soft_wrap=True)
    for table in scores.tables():
        console.print(table)
    for note in scores.notes:
        console.print(f'note: {note}', soft_wrap=True)
    best = scores.names[scores.order[0]]
    console.print(f'best: {best}', soft_wrap=True)
    if args.out:
        content = json.dumps(scores.content(), indent=2)
        atomic_write(Path(args.out), content + '\n')
        console.print(f'written: {args.out}', soft_wrap=True)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
