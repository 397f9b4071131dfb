# Copyright (c) mmuda authors.
"""Tell without labels of the target whether adaptation seems to have harmed.

Compares a checkpoint with one that was trained on the source alone, of the
same network or another one. Of student and teacher the one is judged that is
tested. Prints reasons with classes and numbers; the exit code is 3 if
adaptation probably harms. Thresholds are harm_report of the config.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from mmuda.model_selection.harm_comparison import compare_with_source_only
from mmuda.model_selection.pool_members import pool_of
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
from mmuda.utils.config_names import config_argument
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.output_files import require_outputs
from mmuda.utils.setup_env import register_all_modules

PROBABLY_HARMS = 3


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser, 'config file of the adapted network')
    parser.add_argument('checkpoint', help='of the adapted network')
    parser.add_argument(
        '--source-only',
        required=True,
        metavar='CHECKPOINT',
        help='of a network that was trained on the source alone',
    )
    parser.add_argument(
        '--source-only-config',
        type=config_argument,
        metavar='CONFIG',
        help='its config, if its network or the size of its images is '
        'another one (default: that of the adapted network)',
    )
    parser.add_argument(
        '--pool',
        nargs='*',
        metavar='CHECKPOINT',
        help='further checkpoints to ask, best of other trainings (default: '
        'up to three before it in its folder)',
    )
    parser.add_argument(
        '--out',
        type=not_empty,
        metavar='FILE',
        help='also write the report as JSON',
    )
    add_configs_option(parser)
    add_sampling_options(parser)
    add_head_option(parser)
    add_data_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Compare, print and write."""
    pool = pool_of(args.checkpoint, args.pool)
    files = [args.checkpoint, args.source_only, *pool]
    own = named_configs(args.configs, files)
    reference = dict.fromkeys([args.source_only], args.source_only_config)
    reference = {k: v for k, v in reference.items() if v is not None}
    if reference.keys() & own.keys():
        raise ConfigError(
            '--configs and --source-only-config both name a config of '
            f'{args.source_only}; leave one of them out'
        )
    read = [args.config, *files, *own.values(), *reference.values()]
    require_outputs({'--out': args.out}, read)
    register_all_modules()
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    use_head_of_args(cfg, args)
    configs = load_configs(own, '--configs')
    configs |= load_configs(reference, '--source-only-config')
    console, progress = Console(markup=False), Console(stderr=True)
    with config_errors(cfg):
        found = compare_with_source_only(
            cfg,
            args.checkpoint,
            args.source_only,
            pool,
            sampling_of(args),
            ProgressLines(write=progress.print),
            configs,
        )
    for note in found.scores.notes:
        console.print(f'note: {note}', soft_wrap=True)
    for line in found.lines():
        console.print(line, soft_wrap=True)
    if args.out:
        content = json.dumps(found.content(), indent=2)
        atomic_write(Path(args.out), content + '\n')
        console.print(f'written: {args.out}', soft_wrap=True)
    return PROBABLY_HARMS if found.report.harms else 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
