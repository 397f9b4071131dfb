# Copyright (c) mmuda authors.
"""Comparing values of configs and files with annotations of types."""

import os
import types
from collections.abc import Callable, Iterable, Mapping, Set
from functools import partial
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
)

import numpy as np

# Of Python 3.11; they know their own of 3.10.
from typing_extensions import (
    NotRequired,
    Required,
    get_type_hints,
    is_typeddict,
)

from mmuda.utils.checks import Check, is_number, is_whole, wrong_value

_NAMES: dict[object, str] = {
    bool: 'True or False',
    int: 'a whole number',
    float: 'a finite number',
    str: 'a text',
    type(None): 'None',
    dict: 'dict(...)',
    list: 'a list',
}


class Fault(NamedTuple):
    """A value that is not what its annotation asks for.

    Attributes:
        place: Dotted keys that lead to it.
        value: What is there.
        expected: What has to be there, in words.
        kind: ``type`` if the value is of another type, ``inside`` if it is
            only its range or one of its members, ``relation`` if members do
            not go together; then ``expected`` tells what they need.
    """

    place: str
    value: object
    expected: str
    kind: Literal['type', 'inside', 'relation'] = 'type'

    def __str__(self) -> str:
        """The fault in words."""
        if self.kind == 'relation':
            return f'{self.place}: {self.expected}'
        return wrong_value(self.place, self.value, self.expected)


def join(path: str, key: object) -> str:
    """Dotted path of a key below another path, which may be empty."""
    return f'{path}.{key}' if path else str(key)


def find_fault(value: object, kind: Any, place: str = '') -> Fault | None:
    """Find the first value that does not fit an annotation.

    A whole number is a number, but ``True`` is none of both; NaN and
    infinity are no numbers here. Lists stand for all sequences, as configs
    and JSON have them, and arrays for lists. Classes whose objects a config
    can't write down, such as modules, fit anything.

    Args:
        value: Of a config or of a file.
        kind: The annotation; ``Annotated`` ones may carry checks of
            :mod:`mmuda.utils.checks`, and a ``TypedDict`` names the keys.
        place: Dotted keys that led to the value.
    """
    origin = get_origin(kind) or kind
    if origin is Annotated:
        base, *extra = get_args(kind)
        checks = [part for part in extra if isinstance(part, Check)]
        return find_fault(value, base, place) or next(
            (
                Fault(place, value, check.expected, _kind_of(value))
                for check in checks
                if not check.fits(value)
            ),
            None,
        )
    if origin in (Required, NotRequired):
        return find_fault(value, get_args(kind)[0], place)
    if origin in (Union, types.UnionType):
        return _fault_of_union(value, kind, place)
    if origin is Literal:
        fits = any(
            value == choice and type(value) is type(choice)
            for choice in get_args(kind)
        )
        return None if fits else Fault(place, value, describe(kind))
    if is_typeddict(origin):
        return _fault_of_fields(value, origin, place)
    simple = _simple(origin)
    if simple is None or not simple(value):
        wrong = simple is not None
        return Fault(place, value, describe(kind)) if wrong else None
    return _fault_inside(value, get_args(kind), place)


def describe(kind: Any) -> str:
    """Say what an annotation asks for, such as ``a whole number``."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin is Annotated:
        base, *extra = arguments
        checks = [part for part in extra if isinstance(part, Check)]
        # A check of a dict tells how its members go together.
        known = describe(base) == _NAMES[dict] or not checks
        return describe(base) if known else checks[0].expected
    if origin in (Union, types.UnionType):
        parts = dict.fromkeys(describe(part) for part in arguments)
        return ' or '.join(parts)
    if origin is Literal:
        return 'one of ' + ', '.join(repr(choice) for choice in arguments)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f'a list of {len(arguments)}'
    if is_typeddict(origin):
        return _NAMES[dict]
    for base in (bool, int, float, str, type(None)):
        if origin is base:
            return _NAMES[base]
    if _is_class(origin, Mapping):
        return _NAMES[dict]
    if _is_class(origin, Path) or origin is os.PathLike:
        return 'a path'
    if _is_class(origin, Iterable):
        return _NAMES[list]
    return getattr(origin, '__name__', str(origin))


def _simple(kind: Any) -> Callable[[object], bool] | None:
    """A test of the outermost type; None if anything fits."""
    known: dict[object, Callable[[object], bool]] = {
        bool: lambda value: isinstance(value, bool),
        int: is_whole,
        float: is_number,
        str: lambda value: isinstance(value, str),
        type(None): lambda value: value is None,
        os.PathLike: lambda value: isinstance(value, str | os.PathLike),
    }
    if kind is None:
        return known[type(None)]
    if kind in known:
        return known[kind]
    if _is_class(kind, Path):
        return known[os.PathLike]
    if _is_class(kind, Mapping):
        return lambda value: isinstance(value, Mapping)
    if _is_class(kind, (list, tuple, Set)):
        return lambda value: _is_list(value) or isinstance(value, Set | range)
    if _is_abstract_iterable(kind):
        return lambda value: (
            isinstance(value, Iterable) and not isinstance(value, str | bytes)
        )
    return None


def _is_list(value: object) -> bool:
    array = isinstance(value, np.ndarray) and value.ndim > 0
    return array or isinstance(value, list | tuple)


def _is_abstract_iterable(kind: Any) -> bool:
    module = getattr(kind, '__module__', '')
    return module == 'collections.abc' and _is_class(kind, Iterable)


def _is_class(kind: Any, parent: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, parent)


def _fault_of_union(value: object, kind: Any, place: str) -> Fault | None:
    faults = []
    for part in get_args(kind):
        fault = find_fault(value, part, place)
        if fault is None:
            return None
        faults.append(fault)
    # What is wrong inside a list or dict is told, not that it is none.
    inside = [fault for fault in faults if fault.kind != 'type']
    return inside[0] if inside else Fault(place, value, describe(kind))


def _kind_of(value: object) -> Literal['inside', 'relation']:
    return 'relation' if isinstance(value, Mapping) else 'inside'


def _inside(fault: Fault | None) -> Fault | None:
    """The fault of a member, as one of the whole."""
    if fault is None or fault.kind != 'type':
        return fault
    return fault._replace(kind='inside')


def _fault_of_fields(value: object, kind: Any, place: str) -> Fault | None:
    if not isinstance(value, Mapping):
        return Fault(place, value, describe(kind))
    for name, part in get_type_hints(kind, include_extras=True).items():
        if name in value:
            fault = find_fault(value[name], part, join(place, name))
            if fault is not None:
                return _inside(fault)
        elif name in kind.__required_keys__:
            return Fault(place, value, f'dict(...) with {name!r}', 'inside')
    return None


def _fault_inside(value: Any, arguments: tuple, place: str) -> Fault | None:
    """The first fault among the members of a list or dict."""
    if not arguments or not (_is_list(value) or isinstance(value, Mapping)):
        return None
    if isinstance(value, Mapping):
        if len(arguments) != 2:
            return None
        find = partial(find_fault, kind=arguments[1])
        members = [(join(place, key), part) for key, part in value.items()]
        for key in value:
            fault = find_fault(key, arguments[0], join(place, key))
            if fault is not None:
                expected = f'under {fault.expected}'
                return fault._replace(expected=expected, kind='inside')
        faults = (find(part, place=where) for where, part in members)
        return _inside(next((fault for fault in faults if fault), None))
    kinds = _kinds_of_members(len(value), arguments)
    if kinds is None:
        expected = f'a list of {len(arguments)}'
        return Fault(place, value, expected, 'inside')
    for number, (part, kind) in enumerate(zip(value, kinds, strict=True)):
        fault = find_fault(part, kind, f'{place}[{number}]')
        if fault is not None:
            return _inside(fault)
    return None


def _kinds_of_members(count: int, arguments: tuple) -> list | None:
    if arguments[-1] is Ellipsis or len(arguments) == 1:
        return [arguments[0]] * count
    return list(arguments) if len(arguments) == count else None
