# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a dotted option of the command line can name in a config."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY

from mmuda.utils.errors import ConfigError
from mmuda.utils.text import shorten


def require_parts(cfg: Config, options: Mapping[str, Any]) -> None:
    """Refuse options whose place in a config is no dict and no list.

    MMEngine would say so in words of its own.

    Args:
        cfg: The config.
        options: Values by dotted key, such as ``model.terms.0.weight``. Those
            below a key that is new, or one with ``_delete_``, are not looked
            at.

    Raises:
        ConfigError: A key lies below a value, or below a list that has no
            such element.
    """
    end = f'.{DELETE_KEY}'
    replaced = {o.removesuffix(end) for o in options if o.endswith(end)}
    for option in options:
        _require_place(dict(cfg.items()), option, replaced)


def _require_place(value: Any, option: str, replaced: set[str]) -> None:
    keys = option.split('.')
    for depth, key in enumerate(keys):
        place = '.'.join(keys[:depth])
        if place in replaced:
            return
        if isinstance(value, list):
            if not key.isdigit() or int(key) >= len(value):
                raise ConfigError(
                    f'{option}: {place} is a list of {len(value)}; name an '
                    f'element by its number from 0, or set all of {place}'
                )
            value = value[int(key)]
        elif isinstance(value, Mapping):
            if key not in value:
                return
            value = value[key]
        else:
            raise ConfigError(
                f'{option}: {place} is {shorten(repr(value))} in the config, '
                f'which has no parts; add {place}.{DELETE_KEY}=True to the '
                f'options to put a dict there, or set {place} itself'
            )
