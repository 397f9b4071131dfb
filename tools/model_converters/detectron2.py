# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Convert detectron2's DeepLabV3+ checkpoints to mmuda's and back."""

import argparse
import sys
from collections.abc import Sequence

from mmuda.convert import find_state_dict, write_checkpoint
from mmuda.convert.detectron2 import (
    backbone_from_published,
    find_network,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.convert.plain_pickle import load_arrays_file
from mmuda.convert.published import meta_of
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import MMUDAError


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='The output for void of the published networks of Co-Training'
        ' (Sensors 2023) is left out; --reverse adds one that never wins.'
        ' Optimizer states are not converted.',
    )
    parser.add_argument(
        'input', help='checkpoint to read (.pth, or .pkl of the model zoo)'
    )
    parser.add_argument('output', help='checkpoint to write (.pth)')
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        '--reverse',
        action='store_true',
        help="read an mmuda checkpoint, write one of detectron2's names",
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
    parser.add_argument(
        '--stage-blocks',
        type=int,
        nargs=4,
        default=(3, 4, 23, 3),
        metavar='N',
        help='bottleneck blocks of each stage (default: 3 4 23 3)',
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


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    args.stage_blocks = tuple(args.stage_blocks)
    if args.reverse:
        to_published(args)
    else:
        from_published(args)
    print(f'Wrote {args.output}')


if __name__ == '__main__':
    try:
        main()
    except MMUDAError as error:
        sys.exit(f'error: {error}')
