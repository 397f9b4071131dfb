# Copyright (c) mmuda authors.
"""Finding misspelt keys and types in configs, and naming their places."""

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from torch import nn

import mmuda.registry
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.value_types import join

_VARIADIC = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)
# Keys that mmengine takes out of a config before it builds the object.
_FRAMEWORK_KEYS = {
    'type',
    '_scope_',
    '_delete_',
    'priority',
    'convert_to_iter_based',
}
# The same of an optimizer wrapper.
_WRAPPER_KEYS = {'constructor', 'paramwise_cfg'}
# What mmengine and Python say of a config that can't be built.
_UNREGISTERED = re.compile(r"^'?([\w.]+) is not in the .* registry")
_UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected .* '(\w+)'$")
_UNTYPED = re.compile(r'must contain the key "type", but got ')
_MISSING = re.compile(r'(\w+)\.__init__\(\) missing .*: (.*)$')


def check_config_keys(cfg: Mapping) -> None:
    """Check that classes of mmuda get only parameters they have.

    A misspelt parameter is found before anything is built, and named by its
    place in the config. Configs of classes of other packages are left alone.

    Args:
        cfg: A whole config or a part of one.

    Raises:
        ConfigError: Names the key, the class and the closest parameter.
    """
    own = own_classes()
    for path, part in config_parts(cfg):
        kind = class_at(path, part, own)
        if kind is None or kind not in own.values():
            continue
        known = init_parameters(kind)
        taken = known | _FRAMEWORK_KEYS
        if issubclass(kind, OptimWrapper):
            taken |= _WRAPPER_KEYS
        for key in part:
            if key not in taken:
                raise ConfigError(
                    f"{join(path, key)}: {kind.__name__} takes no '{key}'"
                    f'{did_you_mean(key, known)}'
                )


@contextmanager
def config_errors(cfg: Mapping) -> Iterator[None]:
    """Tell which place of a config is wrong if building an object fails.

    Covers what ``check_config_keys`` can't know beforehand: types that no
    registry has, and parameters of classes of other packages. An error that
    no part of the config accounts for passes as it is.

    Args:
        cfg: The config from which the block builds objects.

    Raises:
        ConfigError: Names the place, and the closest type.
    """
    try:
        yield
    except (KeyError, TypeError) as error:
        # A KeyError shows its text as Python writes it.
        text = error.args[0] if isinstance(error, KeyError) else error
        message = _explanation(cfg, str(text))
        if message is None:
            raise
        raise ConfigError(message) from error


def own_classes() -> dict[str, type]:
    """Classes that mmuda, or code that a config imports, has registered."""
    register_all_modules(init_default_scope=False)
    return {
        name: member
        for registry in _registries()
        for name, member in registry.module_dict.items()
        if inspect.isclass(member)
    }


def known_classes() -> dict[str, type]:
    """Classes of all packages; ours come before others of the same name.

    A name that stands for several classes of other packages is left out.
    """
    own = own_classes()
    found: dict[str, list[type]] = {}
    for registry in _registries():
        for name, member in _inherited(registry).items():
            kinds = found.setdefault(name, [])
            if inspect.isclass(member) and member not in kinds:
                kinds.append(member)
    return {n: kinds[0] for n, kinds in found.items() if len(kinds) == 1} | own


def class_of(part: Mapping, classes: Mapping[str, type]) -> type | None:
    """The class that the ``type`` of a part of a config stands for.

    Args:
        part: Whose ``type`` is a class or its name, with a scope
            (``mmuda.AdvEnt``) or as the whole path of a class.
        classes: By name.
    """
    kind = part.get('type')
    if not isinstance(kind, str):
        return kind if inspect.isclass(kind) else None
    own = kind.startswith('mmuda.')
    return classes.get(kind.rpartition('.')[2] if own else kind)


def class_at(
    place: str, part: Mapping, classes: Mapping[str, type]
) -> type | None:
    """As :func:`class_of`, where the place may say which registry counts.

    A rule of pseudo-labels is no loss, though one may have its name.

    Args:
        place: Keys that lead to the part.
        part: As of :func:`class_of`.
        classes: By name, for all other places.
    """
    if place == 'pseudo_labels.rule':
        classes = mmuda.registry.PSEUDO_LABEL_RULES.module_dict
    return class_of(part, classes)


def type_name(part: Mapping) -> str:
    """Name of the class that a part of a config builds.

    Args:
        part: As of :func:`class_of`; without a ``type`` the name is 'None'.
    """
    kind = part.get('type')
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean '...'?)``, or nothing if no name is close."""
    others = sorted(set(known) - {word})
    close = difflib.get_close_matches(word, others, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ''


def init_parameters(kind: type) -> set[str]:
    """Name the parameters of a class, through ``**kwargs`` to parents."""
    names: set[str] = set()
    for parent in kind.__mro__:
        # These take **kwargs only to complain about them.
        if parent in (nn.Module, object) or '__init__' not in vars(parent):
            continue
        init = vars(parent)['__init__']
        parameters = inspect.signature(init).parameters.values()
        variadic = {p.kind: p.name for p in parameters if p.kind in _VARIADIC}
        names.update({p.name for p in parameters} - {*variadic.values()})
        if inspect.Parameter.VAR_KEYWORD not in variadic:
            break
    return names - {'self'}


def _explanation(cfg: Mapping, error: str) -> str | None:
    entries = [
        (join(path, key), key, value)
        for path, part in config_parts(cfg)
        for key, value in part.items()
    ]
    messages: Iterable[str] = ()
    if match := _UNREGISTERED.search(error):
        kind = match[1]
        near = did_you_mean(kind, registered_names())
        messages = (
            f"{place}: no class '{kind}'{near}"
            for place, _, value in entries
            if value == kind
        )
    elif match := _UNEXPECTED.search(error):
        kind, parameter = match.groups()
        messages = (
            f"{place}: {kind} takes no '{parameter}'"
            for place, key, _ in entries
            if key == parameter
        )
    elif match := _MISSING.search(error):
        kind, parameters = match.groups()
        messages = (
            f'{place.removesuffix(".type")}: {type_name(dict(type=value))} '
            f'needs {parameters}'
            for place, key, value in entries
            if key == 'type' and kind in _names_of(value)
        )
    elif match := _UNTYPED.search(error):
        messages = (
            f"{path}: needs a 'type', the name of a class"
            for path, part in config_parts(cfg)
            if 'type' not in part
            and error[match.end() :].startswith(str(part))
        )
    return next(iter(messages), None)


def _names_of(kind: object) -> set[str]:
    """Names of a class and of those it is made of."""
    known = class_of({'type': kind}, known_classes())
    parents = {parent.__name__ for parent in getattr(known, '__mro__', ())}
    return parents | {type_name(dict(type=kind))}


def registered_names() -> set[str]:
    """Names of all that is in our registries and in those above them."""
    return {name for own in _registries() for name in _inherited(own)}


def _inherited(registry: Registry | None) -> dict[str, Any]:
    """What a registry and its parents hold; the nearest one wins."""
    if registry is None:
        return {}
    return _inherited(registry.parent) | registry.module_dict


def _registries() -> list[Registry]:
    members = vars(mmuda.registry).values()
    return [member for member in members if isinstance(member, Registry)]


def config_parts(part: Any, path: str = '') -> Iterator[tuple[str, Mapping]]:
    """Yield each dict of a config, with the dotted keys that lead to it.

    Args:
        part: A config or a part of one.
        path: Keys that led to it.
    """
    if isinstance(part, (Mapping, Config)):
        yield path, part
        for key, value in part.items():
            yield from config_parts(value, join(path, key))
    elif isinstance(part, (list, tuple)):
        for index, value in enumerate(part):
            yield from config_parts(value, f'{path}[{index}]')
