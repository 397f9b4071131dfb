# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Finding misspelt keys in configs before anything is built."""

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from torch import nn

import mmuda.registry
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

_VARIADIC = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)
# Keys that mmengine takes out of a config before it builds the object.
_FRAMEWORK_KEYS = {'type', '_scope_', 'priority', 'convert_to_iter_based'}


def check_config_keys(cfg: Mapping) -> None:
    """Check that classes of mmuda get only parameters they have.

    A misspelt parameter is found before anything is built, and named by its
    place in the config. Configs of classes of other packages are left alone.

    Args:
        cfg: A whole config or a part of one.

    Raises:
        ConfigError: Names the key, the class and the closest parameter.
    """
    classes = _registered_classes()
    for path, part in _typed_parts(cfg, ''):
        kind = part['type']
        if isinstance(kind, str):
            # With a scope (mmuda.AdvEnt) or the whole path of a class.
            own = kind.startswith('mmuda.')
            kind = classes.get(kind.rpartition('.')[2] if own else kind)
        if kind not in classes.values():
            continue
        known = init_parameters(kind)
        for key in part:
            if key not in known | _FRAMEWORK_KEYS:
                raise ConfigError(
                    f"{_join(path, key)}: {kind.__name__} takes no '{key}'"
                    f'{did_you_mean(key, known)}'
                )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean '...'?)``, or nothing if no name is close."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ''


def init_parameters(kind: type) -> set[str]:
    """Name the parameters of a class, through ``**kwargs`` to parents."""
    names: set[str] = set()
    for parent in kind.__mro__:
        # These take **kwargs only to complain about them.
        if parent in (nn.Module, object) or '__init__' not in vars(parent):
            continue
        parameters = inspect.signature(parent.__init__).parameters.values()
        variadic = {p.kind: p.name for p in parameters if p.kind in _VARIADIC}
        names.update({p.name for p in parameters} - {*variadic.values()})
        if inspect.Parameter.VAR_KEYWORD not in variadic:
            break
    return names - {'self'}


def _registered_classes() -> dict[str, type]:
    register_all_modules(init_default_scope=False)
    return {
        name: member
        for registry in vars(mmuda.registry).values()
        if isinstance(registry, Registry)
        for name, member in registry.module_dict.items()
        if inspect.isclass(member)
    }


def _typed_parts(part: Any, path: str) -> Iterator[tuple[str, Mapping]]:
    if isinstance(part, (Mapping, Config)):
        if 'type' in part:
            yield path, part
        for key, value in part.items():
            yield from _typed_parts(value, _join(path, key))
    elif isinstance(part, (list, tuple)):
        for index, value in enumerate(part):
            yield from _typed_parts(value, f'{path}[{index}]')


def _join(path: str, key: Any) -> str:
    return f'{path}.{key}' if path else str(key)
