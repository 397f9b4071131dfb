# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Take the segmentor out of a checkpoint, for stock mmseg tools.

With --teacher it is the segmentor's moving average, if the run kept one.
With --config a plain mmseg config is written too, so that mmseg's own
tools/test.py and mmseg.apis.init_model work on the two files. mmuda has to
be installed there only if the config uses types of mmuda.
"""

import argparse
import sys
from collections.abc import Sequence

from mmuda.convert import (
    find_state_dict,
    plain_config,
    strip_segmentor_prefix,
    write_checkpoint,
)
from mmuda.utils.cli import add_traceback_option, run_tool
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.version import __version__


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='checkpoint of a method (.pth)')
    parser.add_argument('output', help='plain checkpoint to write (.pth)')
    parser.add_argument(
        '--teacher',
        action='store_true',
        help='take the teacher instead of the segmentor',
    )
    parser.add_argument('--config', help='config of the method')
    parser.add_argument(
        '--out-config', metavar='FILE', help='plain config to write (.py)'
    )
    add_traceback_option(parser)
    args = parser.parse_args(argv)
    if bool(args.config) != bool(args.out_config):
        parser.error('--config and --out-config go together')
    return args


def convert_checkpoint(path: str, teacher: bool = False) -> dict:
    """Read a checkpoint and return one of its networks as a plain one."""
    checkpoint = load_checkpoint_file(path)
    state_dict = strip_segmentor_prefix(
        find_state_dict(checkpoint, path),
        path,
        'teacher' if teacher else 'segmentor',
    )
    meta = dict(mmuda_version=__version__)
    dataset_meta = checkpoint.get('meta', {}).get('dataset_meta')
    if dataset_meta is not None:
        meta['dataset_meta'] = dataset_meta
    return dict(meta=meta, state_dict=state_dict)


def convert_config(path: str, out_path: str) -> str:
    """Read a method's config and return the text of the plain one."""
    if not out_path.endswith('.py'):
        raise ConfigError(f'--out-config {out_path} must end with .py.')
    return plain_config(load_config(path)).pretty_text


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    checkpoint = convert_checkpoint(args.checkpoint, args.teacher)
    if args.config:
        text = convert_config(args.config, args.out_config)
        atomic_write(args.out_config, text)
        print(f'Wrote {args.out_config}')
    write_checkpoint(checkpoint, args.output)
    print(f'Wrote {args.output}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
