# Copyright (c) mmuda authors.
"""What a value of a config, an option or a file has to be, in words."""

import math
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from mmuda.utils.errors import ConfigError
from mmuda.utils.text import shorten

T = TypeVar('T')


@dataclass(frozen=True)
class Check:
    """A range of values.

    Attributes:
        expected: The range in words, after "must be".
        test: Whether a value lies in it; may raise for one of another type.
    """

    expected: str
    test: Callable[[Any], object]

    def fits(self, value: object) -> bool:
        """Whether a value lies in the range."""
        try:
            return bool(self.test(value))
        except (ArithmeticError, TypeError, ValueError, LookupError):
            return False

    def require(self, value: T, place: str) -> T:
        """Refuse a value outside the range.

        Args:
            value: To check.
            place: Keys that lead to it in the config, or the option.

        Returns:
            The value.

        Raises:
            ConfigError: Names the place, the value and the range.
        """
        if not self.fits(value):
            raise ConfigError(wrong_value(place, value, self.expected))
        return value


def wrong_value(place: str, value: object, expected: str) -> str:
    """Message for a value that does not fit."""
    return f'{place}={shorten(repr(value))}: must be {expected}'


def is_number(value: object) -> bool:
    """Whether a value is a finite number and no truth value."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number that no float can hold.
        return False


def is_whole(value: object) -> bool:
    """Whether a value is a whole number and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def whole_number(least: int, most: int | None = None) -> Check:
    """Whole numbers of a range.

    Args:
        least: The smallest.
        most: The largest; None for no limit.
    """
    if most is None:
        text = 'above 0' if least == 1 else f'of at least {least}'
        return Check(
            f'a whole number {text}', lambda v: is_whole(v) and v >= least
        )
    return Check(
        f'a whole number from {least} to {most}',
        lambda v: is_whole(v) and least <= v <= most,
    )


def one_of(choices: Iterable[object]) -> Check:
    """Some values, such as ``get_args`` of a ``Literal``.

    Args:
        choices: All of them.
    """
    known = tuple(choices)
    return Check('one of ' + ', '.join(map(repr, known)), lambda v: v in known)


def optional(check: Check) -> Check:
    """The same range, or None."""
    return Check(
        f'{check.expected}, or None', lambda v: v is None or check.fits(v)
    )


POSITIVE = Check('a finite number above 0', lambda v: is_number(v) and v > 0)
NOT_NEGATIVE = Check(
    'a finite number of at least 0', lambda v: is_number(v) and v >= 0
)
SHARE = Check('a number in [0, 1]', lambda v: is_number(v) and 0 <= v <= 1)
BELOW_ONE = Check(
    'a number of at least 0 and below 1',
    lambda v: is_number(v) and 0 <= v < 1,
)
NUMBER = Check('a finite number', is_number)
COUNT = whole_number(1)
WHOLE = whole_number(0)
# What numpy's generator takes, less what other ranks and iterations add.
SEED = whole_number(0, 2**31 - 1)
