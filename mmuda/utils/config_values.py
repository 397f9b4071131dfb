# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checking the values of a config against their types and ranges."""

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from mmengine.config import Config
from torch import nn

from mmuda.utils.config_keys import (
    check_config_keys,
    class_of,
    config_parts,
    known_classes,
)
from mmuda.utils.config_schema import (
    PARAMETERS,
    PARTS,
    OptimWrapper,
    RunConfig,
    Scheduler,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.value_types import Fault, find_fault, join

# Annotations of other packages that mean what they say; ``tuple`` is often
# written for a list, and ``dict`` for an object.
_PLAIN = (bool, int, float, str, type(None))


def check_config(cfg: Mapping | Config) -> None:
    """Check keys and values of a config before anything is built from it.

    Names of parameters are compared with those of our classes, see
    :func:`mmuda.utils.config_keys.check_config_keys`. Values are compared
    with the annotations of the classes' parameters, ours and the plain ones
    of other packages, and with the ranges of
    :mod:`mmuda.utils.config_schema`.

    Args:
        cfg: A whole config or a part of one.

    Raises:
        ConfigError: Names the place, the value and what it must be.
    """
    check_config_keys(cfg)
    for fault in _faults(cfg):
        raise ConfigError(str(fault))


def check_fields(kind: type, given: Mapping, place: str) -> None:
    """Check values for the fields of a dataclass against their annotations.

    Args:
        kind: A dataclass.
        given: Values by name; unknown and missing ones are not told.
        place: Keys that lead to the values.

    Raises:
        ConfigError: Names the place, the value and what it must be.
    """
    hints = get_type_hints(kind, include_extras=True)
    defaults = {field.name: field.default for field in fields(kind)}
    for name, value in given.items():
        if name not in hints or _is(value, defaults.get(name, MISSING)):
            continue
        fault = find_fault(value, hints[name], join(place, name))
        if fault is not None:
            raise ConfigError(str(fault))


def _faults(cfg: Mapping | Config) -> Iterator[Fault]:
    top = dict(cfg.items())
    yield from _found(top, RunConfig, '')
    for place, part in _optim_wrappers(top.get('optim_wrapper')):
        yield from _found(part, OptimWrapper, place)
    for place, part in _schedulers(top.get('param_scheduler')):
        yield from _found(part, Scheduler, place)
    classes = known_classes()
    for place, part in config_parts(cfg):
        if not isinstance(part.get('type', ''), str | Callable):
            yield Fault(
                join(place, 'type'), part['type'], 'the name of a class'
            )
        kind = class_of(part, classes)
        if kind is not None:
            yield from _faults_of_class(part, kind, place)
        for key, shape in PARTS.items():
            if key in part:
                yield from _found(part[key], shape, join(place, key))


def _found(value: object, kind: Any, place: str) -> Iterator[Fault]:
    fault = find_fault(value, kind, place)
    if fault is not None:
        yield fault


def _optim_wrappers(part: object) -> Iterator[tuple[str, Mapping]]:
    """The only optimizer wrapper, or that of each player."""
    if not isinstance(part, Mapping):
        return
    yield 'optim_wrapper', part
    if 'optimizer' not in part:
        for name, player in part.items():
            if isinstance(player, Mapping):
                yield f'optim_wrapper.{name}', player


def _schedulers(
    part: object, place: str = 'param_scheduler'
) -> Iterator[tuple[str, Mapping]]:
    """Schedulers of a list, or of a list for each player."""
    if isinstance(part, list | tuple):
        for number, entry in enumerate(part):
            yield from _schedulers(entry, f'{place}[{number}]')
    elif isinstance(part, Mapping) and 'type' in part:
        yield place, part
    elif isinstance(part, Mapping):
        for name, entry in part.items():
            yield from _schedulers(entry, join(place, name))


def _faults_of_class(part: Mapping, kind: type, place: str) -> Iterator[Fault]:
    hints = parameter_hints(kind)
    for name, value in part.items():
        where = join(place, name)
        if name in hints and not _is(value, hints[name][1]):
            yield from _found(value, hints[name][0], where)
        check = PARAMETERS.get(f'{kind.__name__}.{name}')
        check = check or (PARAMETERS.get(name) if name in hints else None)
        if check is not None and not check.fits(value):
            yield Fault(where, value, check.expected)


@functools.cache
def parameter_hints(kind: type) -> dict[str, tuple[Any, Any]]:
    """Annotation and default of each parameter of a class.

    Parameters are followed through ``**kwargs`` to parents. Of classes of
    other packages only plain annotations count.

    Args:
        kind: A class, or a function that makes an object.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for function in _initialisers(kind):
        own = function.__module__.startswith('mmuda.')
        hints = _hints(function)
        parameters = inspect.signature(function).parameters
        for name, parameter in parameters.items():
            hint = hints.get(name, Any)
            if name in found or parameter.kind in _VARIADIC:
                continue
            found[name] = (
                hint if own or _is_plain(hint) else Any,
                (parameter.default),
            )
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    found.pop('self', None)
    return found


_VARIADIC = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


def _initialisers(kind: Any) -> Iterator[Callable]:
    if not inspect.isclass(kind):
        yield kind
        return
    for parent in kind.__mro__:
        initialiser = vars(parent).get('__init__')
        if parent not in (nn.Module, object) and inspect.isfunction(
            initialiser
        ):
            yield initialiser


def _hints(function: Callable) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (AttributeError, NameError, TypeError):
        # Names that are imported for type checkers only.
        return {}


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return all(part in _PLAIN for part in get_args(hint))
    return hint in _PLAIN


def _is(value: object, default: object) -> bool:
    """Whether a value is the default, whatever the annotation says."""
    return value is default or (
        type(value) is type(default) and bool(value == default)
    )
