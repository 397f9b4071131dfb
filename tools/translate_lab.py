# Copyright (c) mmuda authors.
"""Give source images the Lab colours of random target images.

Files keep their names, sizes and formats, so labels stay valid. Run again, it
keeps what is there and translates what is missing. See
docs/lab_translation.md.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmuda.translation.lab_images import find_images
from mmuda.translation.lab_jobs import STATISTICS, LabTranslationJob
from mmuda.utils.checks import COUNT, SEED
from mmuda.utils.cli import (
    add_traceback_option,
    checked,
    run_tool,
)
from mmuda.utils.threads import usable_cores


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('source', metavar='SOURCE', help='folder of images, or text list')
    add('target', metavar='TARGET', help='folder of images, or text list')
    add('out', metavar='OUT', type=Path, help='folder to write to')
    add(
        '--source-root',
        metavar='FOLDER',
        help='names in OUT are the paths of source images below this folder; '
        'by default SOURCE or the folder of the list, and if an image of the '
        'list lies outside, the deepest folder that all share',
    )
    add(
        '--seed',
        type=checked(SEED),
        default=0,
        help='of the pairs; by default 0',
    )
    add(
        '--workers',
        type=checked(COUNT),
        default=usable_cores(),
        help='processes, by default one for each core; the files do not '
        'depend on it',
    )
    add_statistics_options(parser)
    add(
        '--overwrite',
        action='store_true',
        help='translate again what is there, also with another seed, source '
        'or target',
    )
    add_traceback_option(parser)
    return parser.parse_args(arguments)


def add_statistics_options(parser: argparse.ArgumentParser) -> None:
    """Add the options on the statistics of the target images."""
    add = parser.add_argument
    add(
        '--statistics',
        type=Path,
        metavar='FILE',
        help='where the statistics of the target images are kept for other '
        f'sources and for LabTranslation; by default OUT/{STATISTICS}',
    )
    add(
        '--statistics-only',
        action='store_true',
        help='measure the target images and translate nothing',
    )


def main(args: argparse.Namespace) -> None:
    """Translate, and tell how many images."""
    job = LabTranslationJob(
        source=find_images(args.source, 'SOURCE', args.source_root),
        target=find_images(args.target, 'TARGET'),
        out=args.out,
        seed=args.seed,
        workers=args.workers,
        statistics=args.statistics,
        overwrite=args.overwrite,
    )
    if args.statistics_only:
        styles = job.styles()
        print(f'{job.statistics_path}: {len(styles)} target images')
    else:
        print(f'{args.out}: {job.run()}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
