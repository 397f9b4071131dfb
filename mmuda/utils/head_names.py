# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Names of a segmentor's heads.

The main head is ``decode``, an auxiliary one ``aux`` (of several ``aux_0``,
``aux_1``, ...). Heads of a target are ``<target>.decode`` and
``<target>.aux``; ``ensemble`` looks at all targets together.
"""

DECODE = 'decode'
AUX = 'aux'
ENSEMBLE = 'ensemble'


def head_name(target: str, level: str = DECODE) -> str:
    """Name of a target's own head.

    Args:
        target: Name of the target.
        level: ``decode`` or ``aux``.
    """
    return f'{target}.{level}'


def split_head_name(name: str) -> tuple[str | None, str]:
    """Target and level of a head, as :func:`head_name` joins them.

    Args:
        name: Name of a head.

    Returns:
        The target is None for a head of all targets.
    """
    target, dot, level = name.rpartition('.')
    return (target, level) if dot else (None, level)
