# Copyright (c) mmuda authors.
"""Print a config with all its bases and options merged, and check it."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys

from mmuda.utils.cli import (
    add_config_argument,
    add_config_options,
    add_traceback_option,
    run_tool,
)
from mmuda.utils.config import load_config
from mmuda.utils.config_values import check_config


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser)
    add_config_options(parser)
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Print the config."""
    cfg = load_config(args.config, args.cfg_options, check=False)
    print(cfg.pretty_text)
    check_config(cfg)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
