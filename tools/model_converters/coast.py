# Copyright (c) mmuda authors.
"""Convert checkpoints of the published CoaST and MLCL to mmuda's and back."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Sequence
from typing import Any

from mmuda.convert import find_state_dict, write_checkpoint
from mmuda.convert.command_line import conversion_parser, convert
from mmuda.convert.from_coast import (
    NETWORK,
    find_network,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.convert.published import meta_of
from mmuda.utils.cli import run_tool
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.names import head_name


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser, _ = conversion_parser(
        __doc__,
        'A published network of another size than ResNet-101 needs'
        ' --stage-blocks. Discriminators of the warm-up are left out; they'
        " are of another form than mmuda's.",
        '.pkl',
    )
    parser.add_argument(
        '--targets',
        nargs='+',
        required=True,
        metavar='NAME',
        help="mmuda's names of the targets in the order of the published"
        ' training (--tgt_dataset)',
    )
    return parser.parse_args(argv)


def from_published(args: argparse.Namespace) -> None:
    """Write an mmuda checkpoint from a published one."""
    network, training = find_network(
        load_checkpoint_file(args.input), args.input
    )
    state_dict = segmentor_from_published(
        network,
        args.targets,
        args.input,
        args.stage_blocks,
        training.warm_up,
    )
    first = f'segmentor.target_heads.{head_name(args.targets[0])}'
    meta = meta_of(len(state_dict[f'{first}.conv_seg.weight']))
    meta['published'] = dict(
        iter=training.iteration, best_iou=training.best_iou
    )
    write_checkpoint(dict(meta=meta, state_dict=state_dict), args.output)


def to_published(args: argparse.Namespace) -> None:
    """Write a published checkpoint from an mmuda one."""
    checkpoint = load_checkpoint_file(args.input)
    network = segmentor_to_published(
        find_state_dict(checkpoint, args.input),
        args.targets,
        args.input,
        args.stage_blocks,
    )
    write_checkpoint(
        {NETWORK: dict(model_state=network), **_training(checkpoint)},
        args.output,
    )


def _training(checkpoint: dict) -> dict[str, Any]:
    """What published checkpoints say next to the network, if known."""
    meta = checkpoint.get('meta', {})
    known = meta.get('published', dict(iter=meta.get('iter')))
    return {key: value for key, value in known.items() if value is not None}


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    convert(args, from_published, to_published)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
