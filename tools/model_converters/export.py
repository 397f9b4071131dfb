# Copyright (c) mmuda authors.
"""Write a trained network as one file: ONNX, TorchScript or torch.export.

The file takes RGB images (N, 3, H, W), float32 from 0 to 255, and gives what
--output says at their size; mean and deviation, classes and palette are in
it. It is compared with PyTorch, and not written if it computes anything else.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmuda.export import (
    FORMATS,
    OUTPUTS,
    Exported,
    ExportOptions,
    GraphFormat,
    export_segmentor,
    format_of,
)
from mmuda.utils.checks import COUNT
from mmuda.utils.cli import (
    add_config_argument,
    add_config_options,
    add_traceback_option,
    checked,
    not_empty,
    run_tool,
)
from mmuda.utils.config import load_config


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_argument(parser, 'config of the method')
    parser.add_argument('checkpoint', help='its checkpoint (.pth)')
    suffixes = ', '.join(kind.suffix for kind in FORMATS)
    parser.add_argument(
        '--out',
        type=not_empty,
        required=True,
        help=f'file to write ({suffixes})',
    )
    _add_formats(parser)
    parser.add_argument(
        '--size',
        type=checked(COUNT),
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='of the images that it is traced and compared on (default: '
        'those of the test data, or the sliding window)',
    )
    parser.add_argument(
        '--fixed-size',
        action='store_true',
        help='take images of this size alone; batches may be of any',
    )
    parser.add_argument(
        '--output',
        nargs='+',
        choices=OUTPUTS,
        default=['logits'],
        help='what it computes (default: logits)',
    )
    _add_ways(parser)
    add_config_options(parser)
    add_traceback_option(parser)
    return parser.parse_args(argv)


def _add_formats(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_mutually_exclusive_group()
    for option in ('--onnx', '--torchscript', '--torch-export'):
        formats.add_argument(
            option,
            dest='format',
            action='store_const',
            const=option,
            help='its format; by default that of its suffix',
        )
    parser.add_argument(
        '--opset', type=checked(COUNT), help='of ONNX (default: 18)'
    )


def _add_ways(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--device', default='cpu', help='cpu (default), cuda')
    parser.add_argument(
        '--no-check',
        dest='check',
        action='store_false',
        help='do not compare it with PyTorch',
    )


def tell(result: Exported, kind: GraphFormat, out: Path) -> None:
    """Print what was written, how exact it is and how fast."""
    about = result.metadata
    print(
        f'Wrote {out} ({kind.name}, {out.stat().st_size / 1e6:.1f} MB): '
        f'{about["network"]["name"]}, {len(about["classes"])} classes, '
        f'input {about["input"]["shape"]}'
    )
    found = result.comparison
    if found is not None:
        height, width = found.size
        print(
            f'Compared with PyTorch on 3 batches: difference '
            f'{found.difference:.1e}, same class on {found.agreement:.4%} of '
            f'the pixels; {width}x{height} takes '
            f'{found.seconds_exported:.3g} s, '
            f'{found.seconds_exported / found.seconds:.2f} times PyTorch'
        )
    window = about['sliding_window']
    if window is not None:
        height, width = window['crop_size']
        print(
            f'The config tests by windows of {width}x{height}: show the file '
            'such crops, and average where they overlap (docs/export.md)'
        )


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    out = Path(args.out)
    kind = format_of(out, args.format)
    cfg = load_config(args.config, args.cfg_options)
    size = args.size and (args.size[0], args.size[1])
    options = ExportOptions(
        args.output,
        size,
        args.fixed_size,
        args.opset,
        args.device,
        args.check,
    )
    result = export_segmentor(
        cfg, args.checkpoint, out, kind, options, partial(print, flush=True)
    )
    tell(result, kind, out)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
