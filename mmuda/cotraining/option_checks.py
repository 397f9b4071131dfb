# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checks of the options of the procedure."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import ClassVar, Protocol

from mmuda.utils.checks import SHARE, whole_number
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_values import check_fields
from mmuda.utils.errors import ConfigError


class Placed(Protocol):
    """Options that know their place in a config."""

    place: ClassVar[str]


def known_values(kind: type, given: Mapping, place: str) -> dict:
    """Values of the fields of a class, refusing others."""
    if not isinstance(given, Mapping):
        raise ConfigError(f'{place} must be dict(...), not {given!r}')
    names = {part.name: part for part in fields(kind)}
    for key in given:
        if key not in names:
            raise ConfigError(
                f"{place}: there is no '{key}'{did_you_mean(key, names)}"
            )
    for name, part in names.items():
        required = part.default is MISSING and part.default_factory is MISSING
        if required and name not in given:
            raise ConfigError(f'{place}.{name} is missing')
    check_fields(kind, given, place)
    return dict(given)


def check_whole(options: Placed, name: str, least: int) -> None:
    """Refuse a value that is no whole number, or too small a one."""
    value = getattr(options, name)
    if not whole_number(least).fits(value):
        message = f'must be a whole number of at least {least}, not {value!r}'
        raise ConfigError(f'{options.place}.{name} {message}')


def check_number(options: Placed, name: str) -> float:
    """Refuse a value that is no number in [0, 1]; return it."""
    value = getattr(options, name)
    if not SHARE.fits(value):
        raise ConfigError(
            f'{options.place}.{name} must be a number in [0, 1], not {value!r}'
        )
    return value


def check_choice(options: Placed, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices."""
    value = getattr(options, name)
    if value not in choices:
        raise ConfigError(
            f'{options.place}.{name} must be one of {choices}, not {value!r}'
        )
