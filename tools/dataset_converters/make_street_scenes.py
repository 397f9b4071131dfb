# Copyright (c) mmuda authors.
"""Write procedural street scenes in the layouts of real data sets.

A stand-in for GTA5, SYNTHIA, Synscapes, UrbanSyn, CARLA, Cityscapes, IDD,
Mapillary Vistas, BDD100K, ACDC and Dark Zurich where they are not at hand: to
try a config, to test a change, to show that a method closes a domain gap. Run
again, it keeps what is there and renders what is missing.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from dataclasses import fields
from pathlib import Path

from mmuda.utils.checks import COUNT, SEED, WHOLE
from mmuda.utils.cli import add_traceback_option, checked, run_tool
from mmuda.utils.threads import usable_cores

# Beside tools/, in the repository and in the wheel of the demo.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from street_scenes import WriteReport, write_scenes
from street_scenes.layouts import LAYOUTS, SceneLayout
from street_scenes.street_labels import CARLA_VERSIONS
from street_scenes.vistas import VERSIONS


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
        choices=tuple(LAYOUTS),
        default=('gta5', 'synthia', 'cityscapes'),
        help='data sets to write; by default gta5, synthia and cityscapes',
    )
    parser.add_argument(
        '--size',
        type=parse_size,
        help='image size as WIDTHxHEIGHT; by default 320 pixels wide with '
        "each set's own height. Of mapillary a third of the images have it, "
        'the others are larger or of another shape; of synscapes those of rgb',
    )
    _add_content(parser)
    add = parser.add_argument
    add('--seed', type=checked(SEED), default=0, help='seed of all scenes')
    add(
        '--workers',
        type=checked(COUNT),
        default=usable_cores(),
        help='processes; the pictures do not depend on it',
    )
    add(
        '--overwrite',
        action='store_true',
        help='replace street scenes of other settings',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def _add_content(parser: argparse.ArgumentParser) -> None:
    """Add what says how many images and which labels there are."""
    add = parser.add_argument
    add(
        '--source-images',
        type=checked(WHOLE),
        default=500,
        help='gta5, synthia, synscapes, urbansyn, carla each',
    )
    add(
        '--train-images',
        type=checked(WHOLE),
        default=500,
        help='train split of cityscapes, idd, mapillary, bdd100k, acdc, '
        'dark_zurich each',
    )
    add(
        '--val-images',
        type=checked(WHOLE),
        default=100,
        help='val split of cityscapes, idd, mapillary, bdd100k, acdc, '
        'dark_zurich each',
    )
    add(
        '--with-train-labels',
        action='store_true',
        help='write labels of the train splits of cityscapes, idd, mapillary, '
        'bdd100k and acdc too',
    )
    _add_versions(parser)


def _add_versions(parser: argparse.ArgumentParser) -> None:
    """Add what of some data sets there are several versions of."""
    add = parser.add_argument
    add(
        '--vistas-version',
        choices=VERSIONS,
        default=VERSIONS[0],
        help='which labels and config file mapillary has; by default '
        f'{VERSIONS[0]}',
    )
    add(
        '--carla-version',
        choices=CARLA_VERSIONS,
        default=CARLA_VERSIONS[0],
        help='whose numbers the tags of carla have; by default '
        f'{CARLA_VERSIONS[0]}',
    )


def make_layout(name: str, args: argparse.Namespace) -> SceneLayout:
    """Build a layout with the options that it has."""
    given = {'with_train_labels': args.with_train_labels}
    if name == 'mapillary':
        given['version'] = args.vistas_version
    elif name == 'carla':
        given['version'] = args.carla_version
    known = {option.name for option in fields(LAYOUTS[name])}
    options = {key: value for key, value in given.items() if key in known}
    return LAYOUTS[name](**options)


def write(name: str, args: argparse.Namespace) -> WriteReport:
    """Write one of the data sets."""
    layout = make_layout(name, args)
    counts = {
        'all': args.source_images,
        'train': args.train_images,
        'val': args.val_images,
    }
    return write_scenes(
        args.out / layout.name,
        layout,
        {split: counts[split] for split in layout.splits},
        size=args.size,
        seed=args.seed,
        workers=args.workers,
        overwrite=args.overwrite,
    )


def main(args: argparse.Namespace) -> None:
    """Write the data sets asked for."""
    for name in args.layouts:
        print(write(name, args))


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
