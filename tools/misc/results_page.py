# Copyright (c) mmuda authors.
"""Write the tables of results, made of the files of results alone.

With --collect those are first made of the folders of finished runs.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmuda.utils.cli import add_traceback_option, run_tool
from mmuda.utils.generated_pages import write_stale

# This is beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from experiments.collection import collect_all
from experiments.result_tables import result_pages

ROOT = Path(__file__).resolve().parents[2]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--collect',
        type=Path,
        metavar='DIR',
        help='gather the results of tools/run_experiments.py --out DIR into '
        'results/EXPERIMENT.json',
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing, list the files that are out of step',
    )
    parser.add_argument(
        '--root',
        type=Path,
        default=ROOT,
        metavar='DIR',
        help='checkout to read and to write (default: that of this tool)',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Write what is out of step, or list it."""
    code = 0
    if args.collect is not None:
        collected = collect_all(args.collect, args.root)
        code = write_stale(collected, args.root, args.check)
    pages = result_pages(args.root)
    return max(code, write_stale(pages, args.root, args.check))


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
