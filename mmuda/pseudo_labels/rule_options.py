# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Options that several selection rules have."""

from collections.abc import Mapping, Sequence

from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError

PLACE = 'pseudo_labels.rule'
# One for each class in order, None where it is not known; in a config also by
# class name, or a file accuracy.json that labelling wrote.
Precision = Sequence[float | None] | Mapping[str, float | None] | str | None


def checked_precision(precision: Precision) -> list[float] | None:
    """Precision of each class; one that is not known is 0.

    Args:
        precision: As of a rule.

    Raises:
        ConfigError: It is no list of numbers in [0, 1].
    """
    if precision is None:
        return None
    if not isinstance(precision, list | tuple):
        raise ConfigError(
            f'{PLACE}.precision={precision!r}: must be a list with a number '
            'for each class, or in a config a dict by class name or a file '
            'accuracy.json'
        )
    known = [0.0 if value is None else value for value in precision]
    return [SHARE.require(value, f'{PLACE}.precision') for value in known]


def require_order(low: str, least: float, high: str, most: float) -> None:
    """Refuse limits that are in no order.

    Args:
        low: Name of the lower one.
        least: Its value.
        high: Name of the upper one.
        most: Its value.

    Raises:
        ConfigError: The lower one is above the other.
    """
    if least > most:
        raise ConfigError(f'{PLACE}: {low}={least} is above {high}={most}')
