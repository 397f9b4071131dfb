# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Words for messages."""

from collections.abc import Sequence


def join_some(names: Sequence[str], shown: int = 3) -> str:
    """List the first names, and tell how many more there are.

    Args:
        names: Any number of names.
        shown: How many of them to write out.

    Returns:
        Such as ``a, b, c and 4 more``.
    """
    text = ', '.join(names[:shown])
    more = len(names) - shown
    return f'{text} and {more} more' if more > 0 else text
