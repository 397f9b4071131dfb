# Copyright (c) mmuda authors.
"""Write report.html of a training: curves, classes, pictures, config."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmuda.reports.run_report import write_report
from mmuda.utils.cli import add_traceback_option, run_tool


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'work_dir', type=Path, help='folder of the training, finished or not'
    )
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the page."""
    print(f'report: {write_report(args.work_dir)}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
