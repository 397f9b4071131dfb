# Copyright (c) mmuda authors.
"""Reading training configs and adapting them to the command line."""

import ast
import copy
import inspect
import os
import re
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY
from mmengine.runner import Runner

from mmuda.utils.checks import is_whole
from mmuda.utils.config_bases import lacking
from mmuda.utils.config_completion import (
    PARTS,
    complete,
    derive_test_pipeline,
    read_file,
)
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_names import config_argument, find_config
from mmuda.utils.config_settings import name_files
from mmuda.utils.config_values import (
    check_config,
    require_written,
    settle_whole_numbers,
)
from mmuda.utils.errors import ConfigError, describe_error
from mmuda.utils.files import install_safe_file_reading
from mmuda.utils.setting_tables import FOLLOWING
from mmuda.utils.text import shorten

_RATIOS = re.compile(r'(model|method)\.(terms|class_ratio_prior)\b')
_NUMBERS = {'inf', 'nan'}
_RUNNER_KEYS = {*inspect.signature(Runner.__init__).parameters} - {'self'}
# Read by tools and runners, besides the parameters of a runner.
_TOOL_KEYS = {'compile', 'runner_type', 'tta_model', 'tta_pipeline'}
_TOOL_KEYS |= {'harm_report', 'source_val'}
# What merging an option raises that does not fit.
_MISFITS = (
    *(AssertionError, AttributeError, IndexError),
    *(KeyError, TypeError, ValueError),
)


def load_config(
    path: str | os.PathLike,
    options: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Config:
    """Read a config file, merge options from the command line and check it.

    A config is a Python file that is run. Others that it names as ``_base_``
    may be YAML or JSON; they are read as data.

    Args:
        path: The config file, or the name of one that comes with mmuda, see
            :func:`mmuda.utils.config_names.find_config`.
        options: Values by dotted key, such as ``{'train_cfg.max_iters': 8}``.
        check: Whether to check keys and values, see
            :func:`mmuda.utils.config_values.check_config`.

    Raises:
        ConfigError: If the file can't be read or is no ``.py``, an option
            can't be merged or names no part of the config, or a key or value
            is wrong.
    """
    path = find_config(path)
    if path.suffix != '.py':
        raise ConfigError(
            f'{path}: a config names what is built and run, and is a Python '
            'file (.py); write it as one'
        )
    install_safe_file_reading()
    lacking.set('')
    try:
        cfg = read_file(path)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ConfigError(_fault_in_file(error, path)) from error
    _complete_with(cfg, dict(options or {}), path)
    return _checked(cfg) if check else cfg


def with_options(
    cfg: Config, options: Mapping[str, Any], origin: str | os.PathLike
) -> Config:
    """Merge options into a copy of a config that is whole, and check it.

    Args:
        cfg: What follows from its setting and parts is filled in.
        options: As of :func:`load_config`.
        origin: Where the config is from, for messages.

    Raises:
        ConfigError: As of :func:`load_config`, or an option would change what
            the config was made of, such as its setting.
    """
    for option in options:
        part = option.split('.')[0]
        if part in (*PARTS, *FOLLOWING):
            raise ConfigError(
                f'{option}: the config of {origin} is filled in already; name '
                f'the config (--config) to change its {part}'
            )
    changed = Config(cfg.to_dict())
    _merge_options(changed, options, set(), origin)
    return _checked(changed)


def _complete_with(
    cfg: Config, options: dict[str, Any], path: str | os.PathLike
) -> None:
    """Merge options of what a config is made of, then those of the whole."""
    written, own = {*cfg}, cfg.get('setting')
    asked = options.get('setting')
    asked = None if asked == own else asked
    early = {
        option: value
        for option, value in options.items()
        if option.split('.')[0] in (*PARTS, *FOLLOWING)
    }
    late = {key: options[key] for key in options if key not in early}
    # Of ratios that are given anew no setting has to be known.
    counted = None if any(map(_RATIOS.match, options)) else own
    _merge_options(cfg, early, written, path)
    try:
        complete(cfg, asked, counted)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error
    _merge_options(cfg, late, written, path)
    if cfg.get('default_scope') == 'mmuda':
        name_files(cfg)
        given = copy.deepcopy(cfg.get('test_pipeline'))
        derive_test_pipeline(cfg)
        if any(option.split('.')[0] == 'test_pipeline' for option in late):
            _require_tested(given, cfg.test_pipeline)


def _require_tested(given: Any, tested: Any) -> None:
    """Refuse a ``test_pipeline`` that no image would be tested through."""
    if given is not None and _as_lists(given) != _as_lists(tested):
        raise ConfigError(
            'test_pipeline: it follows from the test set; say it in '
            'test_dataloader.dataset.pipeline (test_dataloader.0.dataset... '
            'of several), and leave test_pipeline out'
        )


def _as_lists(value: Any) -> Any:
    """With lists for tuples, which a command line does not tell apart."""
    if isinstance(value, Mapping):
        return {key: _as_lists(part) for key, part in value.items()}
    return (
        [*map(_as_lists, value)] if isinstance(value, list | tuple) else value
    )


def _merge_options(
    cfg: Config,
    options: Mapping[str, Any],
    written: set[str],
    path: str | os.PathLike,
) -> None:
    """Merge options of the command line, which name parts of the config."""
    known = sorted({*cfg} | written | _RUNNER_KEYS | _TOOL_KEYS)
    for option in options:
        part = option.split('.')[0]
        if part not in known:
            raise ConfigError(
                f"{option}: the config has no '{part}'"
                f'{did_you_mean(part, known)}'
            )
    _require_parts(cfg, options)
    try:
        cfg.merge_from_dict({k: _text_keys(v) for k, v in options.items()})
    except _MISFITS as error:
        raise ConfigError(
            f'{path}: an option does not fit: {describe_error(error)}'
        ) from error
    for option in options:
        _settle_ids(cfg._cfg_dict, option.split('.'))


def _require_parts(cfg: Config, options: Mapping[str, Any]) -> None:
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


class _IdKey(str):
    """An id that is the key of an option's dict."""


def _text_keys(value: Any) -> Any:
    """Write ids that are keys as text, since MMEngine merges nothing else."""
    if not isinstance(value, dict):
        return value
    return {
        _IdKey(key) if is_whole(key) else key: _text_keys(part)
        for key, part in value.items()
    }


def _settle_ids(part: Any, keys: Sequence[str]) -> None:
    """Let ids of an option, which are text, replace those of the config.

    Args:
        part: Of the config, with the option.
        keys: What leads to the option from there.
    """
    if isinstance(part, list | tuple) and keys and keys[0].isdecimal():
        _settle_ids(part[int(keys[0])], keys[1:])
    if not isinstance(part, dict):
        return
    for key in [*part]:
        if isinstance(key, str) and re.fullmatch(r'-?\d{1,9}', key):
            if isinstance(key, _IdKey) or int(key) in part:
                part[int(key)] = part.pop(key)
        elif key in keys[:1] or not keys:
            _settle_ids(part[key], keys[1:])


def _checked(cfg: Config) -> Config:
    try:
        require_written(cfg)
        settle_whole_numbers(cfg)
        check_config(cfg)
    except ImportError as error:
        # MMEngine imports what a config does when it is looked at.
        raise ConfigError(
            f'{describe_error(error)}; install it, or correct the import'
        ) from error
    return cfg


def _fault_in_file(error: BaseException, path: str | os.PathLike) -> str:
    """Name the file, of the config or below it, and the line of an error."""
    file, line = str(path), None
    for frame, number in traceback.walk_tb(error.__traceback__):
        reader = frame.f_globals.get('__name__', '').startswith('mmengine.')
        # Which has a temporary copy.
        reader = reader and frame.f_code.co_name != '_get_base_files'
        name = frame.f_locals.get('filename') if reader else None
        if isinstance(name, str | os.PathLike):
            file = str(name)
        if frame.f_code.co_filename in (file, ''):  # code of a config
            line = number
    text = describe_error(error)
    if isinstance(error, AttributeError) and Path(file).suffix != '.py':
        text = 'it holds no values by name'
    elif isinstance(error, AttributeError) and lacking.get():
        text += f'; its base is not whole: {lacking.get()}'
    if isinstance(error, SyntaxError):
        line, text = error.lineno, f'{type(error).__name__}: {error.msg}'
    return f'{file}:{line}: {text}' if line else f'{file}: {text}'


def config_text(cfg: Config) -> str:
    """A config as a Python file that can be read again.

    MMEngine writes infinity and NaN as names that nobody defines.
    """
    text = cfg.pretty_text
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        # It holds objects that can't be written down.
        return text
    read = {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    lines = [f"{name} = float('{name}')\n" for name in sorted(read & _NUMBERS)]
    return ''.join(lines) + text


def default_work_dir(
    config_path: str | os.PathLike, setting: str | None = None
) -> str:
    """Name the output folder after method and config.

    mmengine's habit, the name of the file alone, would let
    ``configs/advent/gta2cs.py`` continue the run of ``configs/esl/gta2cs.py``.

    Args:
        config_path: The config file, or its name.
        setting: The one that a user has asked for, in place of its own.

    Returns:
        ``work_dirs/<folder of the config>/<name of the config>``; another
        setting takes the place of the config's in the name, or stands behind
        it if there is a config of that name.
    """
    path = config_argument(str(config_path)).absolute()
    name = path.stem
    if setting is not None:
        own = read_file(path).get('setting')
        before, found, after = name.rpartition(own or name)
        new = f'{before}{setting}{after}'
        # The folder of another config is left to that, whose recipe may be
        # another one.
        taken = setting != own and path.with_name(f'{new}.py').is_file()
        replaced = own is not None and found and not taken
        name = new if replaced else f'{name}_{setting}'
    return os.path.join('work_dirs', path.parent.name, name)


def of_same_setting(
    path: str | os.PathLike,
    options: Mapping[str, Any],
    setting: str | None,
    asked: str | None = None,
) -> dict[str, Any]:
    """Add the setting of a config to the options of one that goes with it.

    Args:
        path: That one; what it is trained on by itself may be another setting,
            as the warm-up of a network is one file for all.
        options: Of that one; a ``setting`` among them is kept.
        setting: Of the config.
        asked: The same, if a user has asked for it.

    Raises:
        ConfigError: If the file can't be read or has no such setting.
    """
    if 'setting' in options or setting is None:
        return dict(options)
    if asked is None:
        own = load_config(path, check=False).get('setting')
        if own in (None, setting):
            return dict(options)
    chosen = {**options, 'setting': setting}
    try:
        load_config(path, chosen, check=False)
    except ConfigError as error:
        raise ConfigError(
            f'a config that goes with this one has no setting {setting!r} '
            '(add it to configs/_base_/settings/domains.py, or name a config '
            f'that has it): {error}'
        ) from error
    return chosen
