# Copyright (c) mmuda authors.
"""Convert checkpoints of the published ADVENT code to mmuda's and back."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Sequence

from mmuda.convert import (
    discriminator_from_published,
    discriminator_to_published,
    load_state_dict_file,
    segmentor_from_published,
    segmentor_to_published,
    write_checkpoint,
)
from mmuda.convert.command_line import conversion_parser, convert
from mmuda.convert.from_advent import LEVELS
from mmuda.convert.published import meta_of
from mmuda.utils.cli import run_tool


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser, _ = conversion_parser(
        __doc__,
        'A published network of another size than ResNet-101 needs'
        ' --stage-blocks; a single-level one needs --single-level.',
    )
    for level in ('main', 'aux'):
        parser.add_argument(
            f'--discriminator-{level}',
            metavar='FILE',
            help=f'published {level} discriminator, read (written with'
            ' --reverse)',
        )
    parser.add_argument(
        '--single-level',
        action='store_true',
        help='the network has no auxiliary head',
    )
    return parser.parse_args(argv)


def _discriminator_files(args: argparse.Namespace) -> dict[str, str]:
    files = dict(decode=args.discriminator_main, aux=args.discriminator_aux)
    return {level: file for level, file in files.items() if file}


def _architecture(args: argparse.Namespace) -> dict[str, Sequence]:
    levels = LEVELS[:1] if args.single_level else LEVELS
    return dict(stage_blocks=args.stage_blocks, levels=levels)


def from_published(args: argparse.Namespace) -> None:
    """Write one mmuda checkpoint from the published files."""
    state_dict = segmentor_from_published(
        load_state_dict_file(args.input),
        args.input,
        **_architecture(args),
    )
    for level, file in _discriminator_files(args).items():
        published = load_state_dict_file(file)
        state_dict.update(discriminator_from_published(published, level, file))
    num_classes = len(state_dict['segmentor.decode_head.convs.0.bias'])
    write_checkpoint(
        dict(meta=meta_of(num_classes), state_dict=state_dict), args.output
    )


def to_published(args: argparse.Namespace) -> None:
    """Write the published files from one mmuda checkpoint."""
    own = load_state_dict_file(args.input)
    files = {
        args.output: segmentor_to_published(
            own, args.input, **_architecture(args)
        )
    }
    for level, file in _discriminator_files(args).items():
        files[file] = discriminator_to_published(own, level, args.input)
    for file, state_dict in files.items():
        write_checkpoint(state_dict, file)


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    further = {
        '--discriminator-main': args.discriminator_main,
        '--discriminator-aux': args.discriminator_aux,
    }
    given = {option: file for option, file in further.items() if file}
    convert(args, from_published, to_published, given)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
