# Copyright (c) mmuda authors.
"""Convert checkpoints of DAFormer, HRDA and MIC to mmuda's and back."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from mmuda.convert import find_state_dict, write_checkpoint
from mmuda.convert.command_line import conversion_parser, convert
from mmuda.convert.from_daformer import (
    IMAGENET,
    imagenet_of,
    left_out,
    method_from_published,
    method_to_published,
)
from mmuda.convert.from_segformer import backbone_from_published
from mmuda.convert.published import meta_of
from mmuda.utils.cli import run_tool
from mmuda.utils.compat import load_checkpoint_file


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser, direction = conversion_parser(
        __doc__,
        'The student becomes the segmentor, ema_model the teacher. The'
        ' ImageNet encoder of the feature distance is left out, as a training'
        ' reads it from its own file, which --backbone makes of it; so are'
        ' discriminators and the state of the optimizer.',
        stage_blocks=False,
    )
    direction.add_argument(
        '--backbone',
        action='store_true',
        help='read ImageNet weights of SegFormer (mit_b0.pth to mit_b5.pth),'
        ' or the ImageNet encoder in a published checkpoint, and write the'
        " weights of a backbone for init_cfg=dict(type='Pretrained',"
        ' checkpoint=...)',
    )
    return parser.parse_args(argv)


def from_published(args: argparse.Namespace) -> None:
    """Write an mmuda checkpoint, or a backbone's weights."""
    checkpoint = load_checkpoint_file(args.input)
    published = find_state_dict(checkpoint, args.input)
    if args.backbone:
        encoder = imagenet_of(published, args.input)
        if encoder is None:
            encoder = backbone_from_published(published, args.input)
        write_checkpoint(dict(state_dict=encoder), args.output)
        return
    state_dict = {
        name: tensor
        for name, tensor in method_from_published(
            published, args.input
        ).items()
        # Not loaded: each training starts it from its own file.
        if not name.startswith(IMAGENET)
    }
    meta = meta_of(_classes(state_dict))
    meta['published'] = _training(checkpoint)
    write_checkpoint(dict(meta=meta, state_dict=state_dict), args.output)
    if parts := left_out(published):
        print(f'Left out: {", ".join(parts)}')


def to_published(args: argparse.Namespace) -> None:
    """Write a checkpoint that the published code reads."""
    checkpoint = load_checkpoint_file(args.input)
    state_dict = method_to_published(
        find_state_dict(checkpoint, args.input), args.input
    )
    meta = dict(checkpoint.get('meta', {}).get('published', {}))
    write_checkpoint(dict(meta=meta, state_dict=state_dict), args.output)


def _classes(state_dict: Mapping[str, Tensor]) -> int:
    head = 'segmentor.decode_head.'
    return next(
        len(tensor)
        for name, tensor in state_dict.items()
        if name.startswith((f'{head}conv_seg.', f'{head}convs.'))
    )


def _training(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What the published meta says that ours has no place for."""
    meta = checkpoint.get('meta') or {}
    return {
        key: meta[key]
        for key in ('iter', 'epoch', 'CLASSES', 'PALETTE')
        if key in meta
    }


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    convert(args, from_published, to_published)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
