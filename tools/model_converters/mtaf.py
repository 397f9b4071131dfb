# Copyright (c) mmuda authors.
"""Convert checkpoints of the published MTAF code to mmuda's and back."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from mmuda.convert import load_state_dict_file, write_checkpoint
from mmuda.convert.command_line import conversion_parser, convert
from mmuda.convert.from_advent import LEVELS
from mmuda.convert.from_mtaf import (
    discriminator_files,
    discriminator_from_published,
    discriminator_to_published,
    is_mtkt,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.convert.published import meta_of
from mmuda.utils.cli import run_tool


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser, _ = conversion_parser(
        __doc__,
        'Another network than ResNet-101 needs --stage-blocks.',
    )
    parser.add_argument(
        '--targets',
        nargs='+',
        default=(),
        metavar='NAME',
        help="mmuda's names of the targets in the published order; needed"
        ' for MTKT and the discriminators of Multi-Dis',
    )
    parser.add_argument(
        '--discriminators',
        action='store_true',
        help='convert the discriminators next to the published network too'
        ' (model_2000_D_main_0.pth next to model_2000.pth)',
    )
    parser.add_argument(
        '--single-level',
        action='store_true',
        help='the network has no auxiliary heads',
    )
    return parser.parse_args(argv)


def _levels(args: argparse.Namespace) -> tuple[str, ...]:
    return LEVELS[:1] if args.single_level else LEVELS


def _discriminators(
    args: argparse.Namespace, network: str, state_dict: Mapping[str, Tensor]
) -> Iterator[tuple[str, str, str]]:
    """Yield file, own name and level of each discriminator to convert."""
    if not args.discriminators:
        return
    path = Path(network)
    files = discriminator_files(
        args.targets, is_mtkt(state_dict), _levels(args)
    )
    for ending, (own, level) in files.items():
        yield (
            str(path.with_name(f'{path.stem}_{ending}{path.suffix}')),
            own,
            level,
        )


def from_published(args: argparse.Namespace) -> None:
    """Write one mmuda checkpoint from the published files."""
    network = load_state_dict_file(args.input)
    state_dict = segmentor_from_published(
        network,
        args.targets,
        args.input,
        args.stage_blocks,
        _levels(args),
    )
    for file, own, level in _discriminators(args, args.input, network):
        published = load_state_dict_file(file)
        state_dict.update(
            discriminator_from_published(published, own, level, file)
        )
    num_classes = len(state_dict['segmentor.decode_head.convs.0.bias'])
    write_checkpoint(
        dict(meta=meta_of(num_classes), state_dict=state_dict), args.output
    )


def to_published(args: argparse.Namespace) -> None:
    """Write the published files from one mmuda checkpoint."""
    own = load_state_dict_file(args.input)
    files = {
        args.output: segmentor_to_published(
            own,
            args.targets,
            args.input,
            args.stage_blocks,
            _levels(args),
        )
    }
    for file, name, level in _discriminators(args, args.output, own):
        files[file] = discriminator_to_published(own, name, level, args.input)
    for file, state_dict in files.items():
        write_checkpoint(state_dict, file)


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    convert(args, from_published, to_published)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
