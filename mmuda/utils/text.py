# Copyright (c) mmuda authors.
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


def shorten(text: str, length: int = 100) -> str:
    """Put a text into one line, and leave out its middle if it is long.

    Args:
        text: Of any length.
        length: Characters to keep, at least 10.
    """
    if len(text) > 100 * length:
        text = text[: 50 * length] + text[-50 * length :]
    text = ' '.join(text.split())
    if len(text) <= length:
        return text
    half = (length - 5) // 2
    return f'{text[:half]} ... {text[-half:]}'


def alternatives(words: Sequence[str]) -> str:
    """Write words as ``'a'``, ``'a' or 'b'``, ``'a', 'b' or 'c'``.

    Args:
        words: At least one.
    """
    *others, last = map(repr, words)
    return f'{", ".join(others)} or {last}' if others else last
