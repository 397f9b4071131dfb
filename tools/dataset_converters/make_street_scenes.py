# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Write procedural street scenes as GTA5, SYNTHIA and Cityscapes lie on disk.

A stand-in for the real sets where they are not at hand: to try a config, to
test a change, to show that a method closes a domain gap. Run again, it keeps
what is there and renders what is missing.
"""

import argparse
import os
from pathlib import Path

from mmuda.datasets.street_scenes import (
    WriteReport,
    write_cityscapes,
    write_gta5,
    write_synthia,
)
from mmuda.utils.errors import MMUDAError


def parse_size(text: str) -> tuple[int, int]:
    """Read a size such as 320x180 as (width, height)."""
    try:
        width, height = (int(number) for number in text.lower().split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no size; write it as 320x180'
        ) from None
    return width, height


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, help='folder to write to')
    parser.add_argument(
        '--layouts',
        nargs='+',
        choices=('gta5', 'synthia', 'cityscapes'),
        default=('gta5', 'synthia', 'cityscapes'),
        help='data sets to write',
    )
    parser.add_argument(
        '--size',
        type=parse_size,
        help='image size as WIDTHxHEIGHT; by default 320 pixels wide with '
        "each set's own height",
    )
    add = parser.add_argument
    add('--source-images', type=int, default=500, help='GTA5, SYNTHIA each')
    add('--train-images', type=int, default=500, help='Cityscapes train')
    add('--val-images', type=int, default=100, help='Cityscapes val')
    add(
        '--with-train-labels',
        action='store_true',
        help='write labels of the Cityscapes train split too',
    )
    add('--seed', type=int, default=0, help='seed of all scenes')
    add(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes; the pictures do not depend on it',
    )
    add(
        '--overwrite',
        action='store_true',
        help='replace street scenes of other settings',
    )
    return parser.parse_args()


def write(name: str, args: argparse.Namespace) -> WriteReport:
    """Write one of the data sets."""
    options = {
        'size': args.size,
        'seed': args.seed,
        'workers': args.workers,
        'overwrite': args.overwrite,
    }
    if name == 'gta5':
        return write_gta5(args.out / 'GTA5', args.source_images, **options)
    if name == 'synthia':
        root = args.out / 'SYNTHIA'
        return write_synthia(root, args.source_images, **options)
    counts = {'train': args.train_images, 'val': args.val_images}
    return write_cityscapes(
        args.out / 'Cityscapes', counts, args.with_train_labels, **options
    )


def main() -> None:
    """Write the data sets asked for."""
    args = parse_args()
    try:
        for name in args.layouts:
            print(write(name, args))
    except MMUDAError as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()
