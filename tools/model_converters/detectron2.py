# Copyright (c) mmuda authors.
"""Convert detectron2's DeepLabV3+ checkpoints to mmuda's and back."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Sequence

from mmuda.convert import find_state_dict, write_checkpoint
from mmuda.convert.command_line import conversion_parser, convert
from mmuda.convert.from_detectron2 import (
    backbone_from_published,
    find_network,
    load_arrays_file,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.convert.published import meta_of
from mmuda.utils.cli import run_tool
from mmuda.utils.compat import load_checkpoint_file


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser, direction = conversion_parser(
        __doc__,
        'The output for void of the published networks of Co-Training'
        ' (Sensors 2023) is left out; --reverse adds one that never wins.'
        ' Optimizer states are not converted.',
        '.pth, or .pkl of the model zoo',
    )
    direction.add_argument(
        '--backbone',
        action='store_true',
        help='read ImageNet weights (R-103.pkl), write those of the backbone'
        " for init_cfg=dict(type='Pretrained', checkpoint=...)",
    )
    parser.add_argument(
        '--no-void',
        dest='void',
        action='store_false',
        help="the detectron2 network has no output for void, as detectron2's"
        ' own of Cityscapes',
    )
    return parser.parse_args(argv)


def from_published(args: argparse.Namespace) -> None:
    """Write an mmuda checkpoint, or a backbone's weights."""
    checkpoint = load_arrays_file(args.input)
    network = find_network(checkpoint, args.input)
    if args.backbone:
        state_dict = backbone_from_published(
            network, args.input, args.stage_blocks
        )
        write_checkpoint(dict(state_dict=state_dict), args.output)
        return
    state_dict = segmentor_from_published(
        network, args.input, args.stage_blocks, args.void
    )
    classes = len(state_dict['segmentor.decode_head.conv_seg.weight'])
    meta = meta_of(classes)
    if isinstance(checkpoint.get('iteration'), int):
        meta['published'] = dict(iteration=checkpoint['iteration'])
    write_checkpoint(dict(meta=meta, state_dict=state_dict), args.output)


def to_published(args: argparse.Namespace) -> None:
    """Write a checkpoint that detectron2 reads."""
    checkpoint = load_checkpoint_file(args.input)
    network = segmentor_to_published(
        find_state_dict(checkpoint, args.input),
        args.input,
        args.stage_blocks,
        args.void,
    )
    published = checkpoint.get('meta', {}).get('published', {})
    write_checkpoint(dict(model=network, **published), args.output)


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    convert(args, from_published, to_published)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
