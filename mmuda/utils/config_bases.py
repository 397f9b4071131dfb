# Copyright (c) mmuda authors.
"""A config as a ``_base_`` of another one, which may look at all of it.

What follows from the parts of a config is filled in before another config
inherits from it, so that ``_base_.train_dataloader.dataset`` is all there; and
taken out again where it is as it was, since the other config may choose
another setting.
"""

import copy
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.config import DELETE_KEY

from mmuda.utils.errors import ConfigError

# Where a config keeps what was filled in: path, value before, value.
_FILLED = 'filled_in_'
_NOTHING = '<nothing>'
# What the last base lacked that could not be filled in.
lacking: ContextVar[str] = ContextVar('lacking', default='')


def fill_base(content: dict, complete: Callable[[Config], Config]) -> dict:
    """Fill in what follows from the parts of a config, which are kept.

    Args:
        content: Of a config file with all its bases.
        complete: Fills in what follows, and leaves the parts out.

    Returns:
        The content with what was filled in; as it is where that can't be
        done yet, as of a base that leaves the setting to others.
    """
    parts = Config(copy.deepcopy(dict(content)))
    take_out(parts)
    try:
        whole = complete(copy.deepcopy(parts))
    except ConfigError as error:
        lacking.set(str(error))
        return parts._cfg_dict
    filled: list[tuple[tuple[str, ...], Any, Any]] = []
    _fill(parts._cfg_dict, whole._cfg_dict, (), filled)
    parts._cfg_dict[_FILLED] = filled
    return parts._cfg_dict


def take_out(cfg: Config) -> None:
    """Take out what :func:`fill_base` filled in, where it is unchanged."""
    for path, before, value in reversed(cfg.pop(_FILLED, [])):
        *parents, last = path
        part: Any = cfg._cfg_dict
        for name in parents:
            # What replaces a dict may repeat its values, and keeps them.
            inherits = isinstance(part, dict) and DELETE_KEY not in part
            part = part.get(name) if inherits else None
        if not isinstance(part, dict) or DELETE_KEY in part:
            continue
        if _unscoped(part.get(last, _NOTHING)) != _unscoped(value):
            continue
        if before == _NOTHING:
            part.pop(last)
        else:
            part[last] = before


def _unscoped(value: Any) -> Any:
    """Without the names of packages that mmengine adds to their bases."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != '_scope_'}
        return {key: _unscoped(part) for key, part in kept.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_unscoped, value))
    return value


def _fill(
    content: dict, whole: dict, path: tuple[str, ...], filled: list
) -> None:
    """Copy what ``content`` lacks or has otherwise, and note it.

    Of a dict each value is noted, after the empty dict itself: what another
    config changes in it stays when the rest is taken out.
    """
    for key, value in whole.items():
        before = content.get(key, _NOTHING)
        if isinstance(value, dict):
            if not isinstance(before, dict):
                content[key] = ConfigDict()
                filled.append(((*path, key), before, ConfigDict()))
            _fill(content[key], value, (*path, key), filled)
        elif key not in content or before != value:
            content[key] = value
            filled.append(((*path, key), before, value))
