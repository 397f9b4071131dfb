# Copyright (c) mmuda authors.
"""Draw the row of pictures of the first page.

A source image, a target image, and what is predicted of it without and
with adaptation, each with its mIoU on that image, whose gain is the median of
those of all test images.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmuda.utils.cli import (
    add_data_roots,
    add_traceback_option,
    path_argument,
    run_tool,
)
from mmuda.utils.config import load_config
from mmuda.utils.config_data import override_data_roots
from mmuda.utils.setup_env import register_all_modules

# This is beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from demo.strip import draw_strip


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('before', help='config of what is compared with, such as source only')
    add('before_checkpoint', help='its checkpoint')
    add('after', help='config of the adapted network')
    add('after_checkpoint', help='its checkpoint')
    add(
        '--names',
        nargs=2,
        default=('before', 'after'),
        metavar=('BEFORE', 'AFTER'),
        help='what is written above the predictions',
    )
    add(
        '--out',
        type=path_argument,
        default=Path('docs/pictures/strip.png'),
        metavar='FILE',
        help='PNG to write (default: docs/pictures/strip.png)',
    )
    add_data_roots(parser)
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Draw it."""
    register_all_modules()
    models = {}
    for name, config, checkpoint in zip(
        args.names,
        (args.before, args.after),
        (args.before_checkpoint, args.after_checkpoint),
        strict=True,
    ):
        cfg = load_config(config)
        override_data_roots(cfg, dict(args.data_root))
        models[name] = cfg, checkpoint
    draw_strip(models, args.out)
    print(args.out)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
