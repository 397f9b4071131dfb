# Copyright (c) mmuda authors.
"""What a config leaves to be taken from its other parts."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY

from mmuda.utils.config_bases import fill_base, take_out
from mmuda.utils.config_data import LABEL_LOADERS
from mmuda.utils.config_model import compose_model
from mmuda.utils.config_settings import choose_setting, name_files
from mmuda.utils.setting_tables import TABLES

# Keys that a config is made of, which are gone when it is whole.
PARTS = (*TABLES, 'setting', 'target_images', 'network', 'method')


def complete(
    cfg: Config,
    setting: str | None = None,
    instead_of: str | None = None,
    is_base: bool = False,
) -> Config:
    """Fill in what follows from other parts of a config, in place.

    The model of a ``network`` and a ``method``, see :func:`compose_model`; the
    data and classes of a ``setting``, see :func:`choose_setting`; and
    ``test_pipeline``, which ``mmseg.apis.inference_model`` shows an image
    through: that of the (first) test set, without its labels.

    Args:
        cfg: A whole config; others than those of mmuda are left as they are.
        setting: The setting, if a user has asked for it.
        instead_of: The config's own, which its class ratios were counted for.
        is_base: Whether another config inherits from it, whose setting names
            the files.
    """
    take_out(cfg)
    if cfg.get('default_scope') == 'mmuda':
        compose_model(cfg)
        choose_setting(cfg, setting, instead_of)
        derive_test_pipeline(cfg)
        if not is_base:
            name_files(cfg)
    _remove_marks(cfg._cfg_dict)
    return cfg


def derive_test_pipeline(cfg: Config) -> None:
    """Set ``test_pipeline`` to that of the (first) test set, in place."""
    pipeline = _first_pipeline(cfg.get('test_dataloader'))
    if pipeline is not None:
        cfg.test_pipeline = [
            copy.deepcopy(step)
            for step in pipeline
            if step['type'] not in LABEL_LOADERS
        ]


def _first_pipeline(part: Any) -> Sequence[Mapping] | None:
    """That of the first data set; None where there is none, or a wrong one."""
    if isinstance(part, list | tuple) and part:
        return _first_pipeline(part[0])
    if not isinstance(part, Mapping):
        return None
    for key in ('dataset', 'datasets'):
        if key in part:
            return _first_pipeline(part[key])
    steps = part.get('pipeline')
    if not isinstance(steps, list | tuple):
        return None
    named = all(isinstance(step, Mapping) and 'type' in step for step in steps)
    return steps if named else None


read_file: Callable[..., Config] = Config.fromfile
# How many files, each a base of the one before, are being read.
_reading: ContextVar[int] = ContextVar('reading', default=0)


def complete_files() -> None:
    """Let ``Config.fromfile`` of mmengine give complete configs of mmuda."""
    read, merge = Config._file2dict, Config._merge_a_into_b

    @wraps(read_file)
    def fromfile(*args, **kwargs) -> Config:
        return complete(read_file(*args, **kwargs))

    @wraps(read)
    def file2dict(*args, **kwargs) -> tuple:
        depth = _reading.get()
        token = _reading.set(depth + 1)
        try:
            content, *others = read(*args, **kwargs)
        finally:
            _reading.reset(token)
        whole = content.get('default_scope') == 'mmuda'
        if depth and whole and {*PARTS} & {*content}:
            content = fill_base(content, partial(complete, is_base=True))
        return content, *others

    @wraps(merge)
    def merge_a_into_b(a: dict, b: dict, *args, **kwargs) -> dict:
        # A dict that replaces another one goes on to replace what a setting
        # or a network puts under it; `complete` removes the mark.
        replacing = [
            key
            for key, value in a.items()
            if _reading.get() and isinstance(value, dict)
            if key in b and value.get(DELETE_KEY, False)
        ]
        merged = merge(a, b, *args, **kwargs)
        for key in replacing:
            merged[key][DELETE_KEY] = True
        return merged

    Config.fromfile = staticmethod(fromfile)
    Config._file2dict = staticmethod(file2dict)
    Config._merge_a_into_b = staticmethod(merge_a_into_b)


def _remove_marks(part: Any) -> None:
    """Remove what says that a dict replaces another one, in place."""
    if isinstance(part, dict):
        part.pop(DELETE_KEY, None)
        # Of the plain dict: another would import what it names.
        for value in dict.values(part):
            _remove_marks(value)
    elif isinstance(part, list | tuple):
        for value in part:
            _remove_marks(value)
