# Copyright (c) mmuda authors.
"""Checking the values of a config against their types and ranges."""

import ast
import functools
import inspect
import math
import os
import types
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import MISSING, fields
from numbers import Real
from typing import (
    Annotated,
    Any,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from mmengine.config import Config
from torch import nn

from mmuda.utils.checks import Check
from mmuda.utils.config_keys import (
    check_config_keys,
    class_at,
    class_of,
    config_parts,
    known_classes,
)
from mmuda.utils.config_schema import (
    PACKAGES,
    PARAMETERS,
    PARTS,
    OptimWrapper,
    RunConfig,
    Scheduler,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.value_types import Fault, find_fault, join

# Parameters of other packages that take more than they are annotated with.
_UNANNOTATED = {
    'AmpOptimWrapper.loss_scale',
    'OneCycleParamScheduler.eta_max',
    'SegDataPreProcessor.bgr_to_rgb',
    'SegDataPreProcessor.rgb_to_bgr',
}
_NUMBER = Check(
    'a number',
    lambda v: (
        isinstance(v, Real) and not (isinstance(v, bool) or math.isnan(v))
    ),
)
# What plain annotations of other packages stand for: ``int`` is written for
# what may be a fraction, and ``str`` for what may be the class it names.
# Others say nothing: ``tuple`` is often written for a list, and ``dict`` for
# an object.
_PLAIN = {
    bool: Check('True or False', lambda v: isinstance(v, bool)),
    int: _NUMBER,
    float: _NUMBER,
    str: Check(
        'a text', lambda v: isinstance(v, str | os.PathLike) or callable(v)
    ),
    type(None): Check('None', lambda v: v is None),
}


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


def require_written(cfg: Config) -> None:
    """Refuse values that can't be written into the config of a run.

    Args:
        cfg: A whole config.

    Raises:
        ConfigError: Names the place and the type of the value.
    """
    for place, part in config_parts(cfg):
        for key, value in part.items():
            for entry in value if isinstance(value, list | tuple) else [value]:
                if not _is_written(entry):
                    kind = type(entry).__name__
                    raise ConfigError(
                        f"{join(place, key)}: an object of {kind} can't be "
                        'written into the config of a run; write numbers, '
                        'texts, lists and dict(...), or del it at the end of '
                        'the config'
                    )


def _is_written(value: object) -> bool:
    plain = isinstance(
        value, str | Real | list | tuple | Mapping | os.PathLike
    )
    if plain or value is None or callable(value) or inspect.ismodule(value):
        return True
    try:
        ast.parse(repr(value))
    except SyntaxError:
        return False
    return True


def settle_whole_numbers(cfg: Mapping | Config) -> None:
    """Write whole numbers that look like fractions as such, in place.

    Counts of iterations are often written as ``2e3``. Where a parameter of a
    class takes that only as a whole number, it becomes one.

    Args:
        cfg: A whole config or a part of one.
    """
    classes = known_classes()
    for place, part in config_parts(cfg):
        kind = class_at(place, part, classes)
        for name, value in list(part.items()):
            if kind is None or not isinstance(value, float):
                continue
            assert isinstance(part, MutableMapping), 'a dict of a config'
            whole = {name: int(value)} if value.is_integer() else {}
            if any(_faults_of_class({name: value}, kind, place)) and not any(
                _faults_of_class(whole, kind, place)
            ):
                part.update(whole)


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
    classes = known_classes()
    for place, part in _schedulers(top.get('param_scheduler')):
        kind = class_of(part, classes)
        if kind is None or _is_known(kind):
            yield from _found(part, Scheduler, place)
    for place, part in config_parts(cfg):
        if not isinstance(part.get('type', 'a'), str | Callable) or (
            part.get('type') == ''
        ):
            yield Fault(
                join(place, 'type'), part['type'], 'the name of a class'
            )
        kind = class_at(place, part, classes)
        if kind is not None:
            yield from _faults_of_class(part, kind, place)
        for key, shape in PARTS.items():
            kinds = kind, _class_of_value(part.get(key), classes)
            own = (owner for owner in kinds if owner is not None)
            if key in part and all(map(_is_known, own)):
                yield from _found(part[key], shape, join(place, key))


def _class_of_value(value: object, classes: Mapping[str, type]) -> type | None:
    return class_of(value, classes) if isinstance(value, Mapping) else None


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
            inner = f'{place}[{number}]'
            if isinstance(entry, Mapping):
                yield inner, entry
            else:
                yield from _schedulers(entry, inner)
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
        check = _range_of(kind, name)
        if check is not None and not check.fits(value):
            yield Fault(where, value, check.expected)


@functools.cache
def _range_of(kind: type, name: str) -> Check | None:
    """Range of a parameter of a class.

    The same name may mean anything in a class of the user's own.
    """
    for function in _initialisers(kind):
        if name in inspect.signature(function).parameters:
            owner = function.__qualname__.rpartition('.')[0]
            names = [f'{kind.__name__}.{name}', f'{owner}.{name}']
            names += [name] if _is_of_packages(function) else []
            return next(filter(None, map(PARAMETERS.get, names)), None)
    return PARAMETERS.get(f'{kind.__name__}.{name}')


def _is_of_packages(member: Callable) -> bool:
    return member.__module__.partition('.')[0] in PACKAGES


def _is_known(kind: type) -> bool:
    return _is_of_packages(kind) or kind.__module__.startswith('torch.')


@functools.cache
def parameter_hints(kind: type) -> dict[str, tuple[Any, Any]]:
    """Annotation and default of each parameter of a class.

    Parameters are followed through ``**kwargs`` to parents. Of classes of
    other packages only plain annotations count, and only for what they say
    reliably.

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
            owner = function.__qualname__.rpartition('.')[0]
            if not own:
                other = f'{owner}.{name}' in _UNANNOTATED
                hint = Any if other else _plain(hint)
            found[name] = (hint, parameter.default)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    found.pop('self', None)
    return found


def parameter_defaults(kind: type | None) -> dict[str, Any]:
    """Default of each parameter of a class that has one.

    Our classes hand on ``**kwargs`` as they are, so parameters are followed
    to their parents; what those of other packages do with them is not known.

    Args:
        kind: A class, or a function that makes an object; None has none.
    """
    found: dict[str, Any] = {}
    for function in _initialisers(kind) if kind is not None else ():
        parameters = inspect.signature(function).parameters
        for name, parameter in parameters.items():
            if parameter.default is not parameter.empty:
                found.setdefault(name, parameter.default)
        variadic = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if not (variadic and function.__module__.startswith('mmuda.')):
            break
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


def _plain(hint: Any) -> Any:
    """What a plain annotation of another package says, else ``Any``."""
    union = get_origin(hint) in (Union, types.UnionType)
    parts = get_args(hint) if union else (hint,)
    if not all(isinstance(part, type) and part in _PLAIN for part in parts):
        return Any
    checks = list(dict.fromkeys(_PLAIN[part] for part in parts))
    expected = ' or '.join(check.expected for check in checks)
    return Annotated[
        Any, Check(expected, lambda v: any(c.fits(v) for c in checks))
    ]


def _is(value: object, default: object) -> bool:
    """Whether a value is the default, whatever the annotation says."""
    return value is default or (
        type(value) is type(default) and bool(value == default)
    )
