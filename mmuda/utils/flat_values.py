# Copyright (c) mmuda authors.
"""Values of a config by dotted key."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat(value: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the plain values inside a value, with the keys that lead there.

    Args:
        value: Of a config.
        path: Keys that lead to it.
    """
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from flat(part, f'{path}.{key}' if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for index, part in enumerate(value):
            yield from flat(part, f'{path}[{index}]')
    elif value is None or isinstance(value, bool | int | float | str):
        yield path, value
    else:
        # Empty ones, and objects of a config written in Python.
        name = getattr(value, '__qualname__', None)
        yield path, name or repr(value)
