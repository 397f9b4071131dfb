# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a config leaves to be taken from its other parts."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeGuard

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY

from mmuda.utils.config_bases import fill_base, take_out
from mmuda.utils.config_model import compose_model
from mmuda.utils.config_settings import choose_setting
from mmuda.utils.errors import ConfigError
from mmuda.utils.setting_tables import TABLES

# Keys that a config is made of, which are gone when it is whole.
PARTS = (*TABLES, 'setting', 'target_images', 'network', 'method')
LABEL_LOADERS = ('LoadLabels', 'LoadAnnotations')


def complete(
    cfg: Config, setting: str | None = None, was_read: bool = False
) -> Config:
    """Fill in what follows from other parts of a config, in place.

    The model of a ``network`` and a ``method``, see :func:`compose_model`; the
    data and classes of a ``setting``, see :func:`choose_setting`; and
    ``test_pipeline``, which ``mmseg.apis.inference_model`` shows an image
    through: that of the (first) test set, without its labels. A file that says
    another one itself is refused.

    Args:
        cfg: A whole config; others than those of mmuda are left as they are.
        setting: The setting, if a user has asked for it.
        was_read: Whether it is as :func:`read_file` has returned it, so that
            another ``test_pipeline`` is a user's own.

    Raises:
        ConfigError: A part of it is wrong, or two do not go together.
    """
    take_out(cfg)
    if cfg.get('default_scope') == 'mmuda':
        compose_model(cfg)
        choose_setting(cfg, setting)
        derive_test_pipeline(cfg, was_read and _is_own(cfg))
    _remove_marks(cfg._cfg_dict)
    return cfg


def derive_test_pipeline(cfg: Config, own: bool) -> None:
    """Set ``test_pipeline`` to that of the (first) test set, in place.

    Args:
        cfg: A whole config; without a test set it is left as it is.
        own: Whether the ``test_pipeline`` that is there was said by a user.

    Raises:
        ConfigError: The user's own is another one, which nothing would be
            tested through.
    """
    place, pipeline = _first_pipeline(cfg.get('test_dataloader'))
    if pipeline is None:
        return
    if own and not _agree(cfg.get('test_pipeline'), pipeline):
        raise ConfigError(
            'test_pipeline: images are tested through another one, from which '
            f'it follows; say it in test_dataloader{place}, and leave '
            'test_pipeline out'
        )
    cfg.test_pipeline = _without_labels(pipeline)


def _is_own(cfg: Config) -> bool:
    """Whether the file says ``test_pipeline`` itself, not one of its bases."""
    given = cfg.get('test_pipeline')
    if given is None or _plain(given) in map(_plain, _of_bases.get()):
        return False
    # A run of an earlier version wrote what it did not test through.
    return bool(_of_bases.get()) or not _is_record(cfg)


def _note_base(content: Mapping) -> None:
    """Note the ``test_pipeline`` that a config inherits from a base.

    Where it is that of the base's own test set, or was written by a run, it
    follows the test set of the config.
    """
    given = content.get('test_pipeline')
    _, pipeline = _first_pipeline(content.get('test_dataloader'))
    follows = pipeline is not None and _agree(given, pipeline)
    inherited = given if follows or _is_record(content) else None
    _of_bases.set((*_of_bases.get(), inherited))


def _is_record(content: Mapping) -> bool:
    """Whether a run has written it to its work dir."""
    return {'work_dir', 'launcher'} <= {*content}


def _agree(given: Any, pipeline: Sequence[Mapping]) -> bool:
    """Whether both are the same, but for labels."""
    if not _is_pipeline(given):
        return False
    return _plain(_without_labels(given)) == _plain(_without_labels(pipeline))


def _without_labels(pipeline: Sequence[Mapping]) -> list[Mapping]:
    kept = [step for step in pipeline if step['type'] not in LABEL_LOADERS]
    return copy.deepcopy(kept)


def _plain(value: Any) -> Any:
    """Without what a command line or mmengine writes otherwise."""
    if isinstance(value, Mapping):
        kept = {key: part for key, part in value.items() if key != '_scope_'}
        return {key: _plain(part) for key, part in kept.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _first_pipeline(
    part: Any, place: str = ''
) -> tuple[str, Sequence[Mapping] | None]:
    """That of the first data set, and where it stands.

    None where there is none, or a wrong one.
    """
    if isinstance(part, list | tuple) and part:
        return _first_pipeline(part[0], f'{place}.0')
    if not isinstance(part, Mapping):
        return place, None
    for key in ('dataset', 'datasets'):
        if key in part:
            return _first_pipeline(part[key], f'{place}.{key}')
    steps = part.get('pipeline')
    return f'{place}.pipeline', steps if _is_pipeline(steps) else None


def _is_pipeline(steps: Any) -> TypeGuard[Sequence[Mapping]]:
    return isinstance(steps, list | tuple) and all(
        isinstance(step, Mapping) and 'type' in step for step in steps
    )


read_file: Callable[..., Config] = Config.fromfile
# How many files, each a base of the one before, are being read.
_reading: ContextVar[int] = ContextVar('reading', default=0)
# What each base of the file that was read last gives it as `test_pipeline`.
_of_bases: ContextVar[tuple] = ContextVar('of_bases', default=())


def complete_files() -> None:
    """Let ``Config.fromfile`` of mmengine give complete configs of mmuda."""
    read, merge = Config._file2dict, Config._merge_a_into_b

    @wraps(read_file)
    def fromfile(*args, **kwargs) -> Config:
        return complete(read_file(*args, **kwargs), was_read=True)

    @wraps(read)
    def file2dict(*args, **kwargs) -> tuple:
        depth = _reading.get()
        if not depth:
            _of_bases.set(())
        token = _reading.set(depth + 1)
        try:
            content, *others = read(*args, **kwargs)
        finally:
            _reading.reset(token)
        return (_as_base(content) if depth else content), *others

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


def _as_base(content: dict) -> dict:
    """Of a file that another one inherits from: with what follows from it."""
    _note_base(content)
    whole = content.get('default_scope') == 'mmuda'
    if whole and {*PARTS} & {*content}:
        content = fill_base(content, complete)
        _note_base(content)
    return content


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
