# Copyright (c) mmuda authors.
"""What the tools that convert published checkpoints have in common."""

import argparse
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mmuda.utils.checks import COUNT
from mmuda.utils.cli import (
    add_traceback_option,
    checked,
)
from mmuda.utils.output_files import require_outputs


class ConversionParser(NamedTuple):
    """A parser with ``input``, ``output`` and ``--reverse``.

    Attributes:
        parser: Takes further options.
        direction: Takes options that exclude ``--reverse``.
    """

    parser: argparse.ArgumentParser
    direction: argparse._MutuallyExclusiveGroup


def conversion_parser(
    description: str | None,
    epilog: str,
    suffixes: str = '.pth',
    stage_blocks: bool = True,
) -> ConversionParser:
    """Make the parser of a tool.

    Args:
        description: Of the tool.
        epilog: Printed below the options.
        suffixes: Of the published files.
        stage_blocks: Whether the size of a ResNet is asked for.
    """
    parser = argparse.ArgumentParser(description=description, epilog=epilog)
    parser.add_argument(
        'input', help=f'published checkpoint to read ({suffixes})'
    )
    parser.add_argument('output', help='mmuda checkpoint to write (.pth)')
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        '--reverse',
        action='store_true',
        help='read an mmuda checkpoint, write a published one',
    )
    if stage_blocks:
        parser.add_argument(
            '--stage-blocks',
            type=checked(COUNT),
            nargs=4,
            default=(3, 4, 23, 3),
            metavar='N',
            help='bottleneck blocks of each stage (default: 3 4 23 3)',
        )
    add_traceback_option(parser)
    return ConversionParser(parser, direction)


def convert(
    args: argparse.Namespace,
    from_published: Callable[[argparse.Namespace], None],
    to_published: Callable[[argparse.Namespace], None],
    further: Mapping[str, str] | None = None,
) -> None:
    """Convert in the direction that is asked for.

    Args:
        args: Of the command line.
        from_published: Writes an mmuda checkpoint.
        to_published: Writes published files.
        further: Published files beside the first, by option.

    Raises:
        ConfigError: The output can't be written, or is the input.
    """
    further = further or {}
    if args.reverse:
        require_outputs({'output': args.output, **further}, [args.input])
    else:
        inputs = args.input, *further.values()
        require_outputs({'output': args.output}, inputs)
    if hasattr(args, 'stage_blocks'):
        args.stage_blocks = tuple(args.stage_blocks)
    (to_published if args.reverse else from_published)(args)
    print(f'Wrote {args.output}')
