# Copyright (c) mmuda authors.
"""Convert checkpoints of the published VFM-UDA code to mmuda's and back.

A file of DINOv2 or DINOv3 becomes one that DINOVisionTransformer reads: from a
checkpoint of their trainings, or for another size of patches.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Sequence

from mmuda.convert import load_state_dict_file, write_checkpoint
from mmuda.convert.from_dino import backbone_of, resized_backbone
from mmuda.convert.from_vfm_uda import (
    is_vfm_uda,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.convert.published import meta_of
from mmuda.utils.checks import COUNT
from mmuda.utils.cli import add_traceback_option, checked, run_tool
from mmuda.utils.errors import ConfigError
from mmuda.utils.output_files import require_outputs


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'input', help='checkpoint of VFM-UDA, DINOv2 or DINOv3 to read'
    )
    parser.add_argument('output', help='checkpoint to write (.pth)')
    parser.add_argument(
        '--reverse',
        action='store_true',
        help='read an mmuda checkpoint, write one of VFM-UDA',
    )
    parser.add_argument(
        '--patch-size',
        type=checked(COUNT),
        metavar='N',
        help='resize patches of DINO to this side in pixels',
    )
    parser.add_argument(
        '--image-size',
        type=checked(COUNT),
        default=512,
        metavar='N',
        help='and positions to those of an image of this side (default: 512)',
    )
    add_traceback_option(parser)
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    require_outputs({'output': args.output}, [args.input])
    state_dict = load_state_dict_file(args.input)
    published = args.reverse or is_vfm_uda(state_dict)
    if published and args.patch_size:
        raise ConfigError(
            f'--patch-size resizes files of DINO; {args.input} is one of a '
            'trained segmentor'
        )
    if args.reverse:
        checkpoint = dict(
            state_dict=segmentor_to_published(state_dict, args.input)
        )
    elif published:
        own = segmentor_from_published(state_dict, args.input)
        classes = len(own['segmentor.decode_head.conv_seg.weight'])
        checkpoint = dict(meta=meta_of(classes), state_dict=own)
    else:
        own = backbone_of(state_dict, args.input)
        if args.patch_size:
            own = resized_backbone(own, args.patch_size, args.image_size)
        checkpoint = own
    write_checkpoint(checkpoint, args.output)
    print(f'Wrote {args.output}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
