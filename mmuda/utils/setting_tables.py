# Copyright (c) mmuda authors.
"""The tables of which the data of a config are made, and what they hold."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypedDict, get_type_hints

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY

from mmuda.utils.checks import COUNT
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_ranges import BUILT, WEIGHTS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import LABELLED_TARGET
from mmuda.utils.value_types import find_fault

TABLES = ('domains', 'settings', 'protocol')
# Of a whole config, to be looked at: they follow from its setting.
FOLLOWING = ('targets', 'num_classes')
_Pipeline = list[Annotated[Any, BUILT]]


class _Domain(TypedDict, total=False):
    dataset: dict
    train: dict
    # Images of a target whose labels training may see, if a setting has it as
    # its labelled target.
    few: dict | None
    # None where there is nothing to evaluate on.
    val: dict | None
    test: dict | None
    # Of its evaluation, whatever the protocol.
    metric: dict


class _Setting(TypedDict, total=False):
    # Of the one that is chosen they are checked by `check_names`.
    source: Any
    targets: Any
    labelled_target: Any
    protocol: str
    # Of the losses of heads, where a config does not say it.
    class_weight: Annotated[list[float], WEIGHTS] | None
    # Options of the terms of these types, where a config does not say them.
    terms: dict[str, dict]


class _Exception(TypedDict, total=False):
    label_set: str | None
    metric: dict
    train_pipeline: _Pipeline
    few_pipeline: _Pipeline
    images_pipeline: _Pipeline
    val_pipeline: _Pipeline


class _Protocol(_Exception, total=False):
    num_classes: Annotated[int, COUNT]
    one_target: bool
    sampling: dict
    evaluated: dict
    more_metrics: list[dict]
    exceptions: dict[str, _Exception | None]
    config: dict


_ENTRIES = dict(domains=_Domain, settings=_Setting, protocol=_Protocol)
_REQUIRED = ('num_classes', 'evaluated')
# Names that a data loader's pipeline would have: no data are shown through
# them, unless a config has `target_images` of the name.
_MISNOMERS = ('source_pipeline', 'target_pipeline', 'test_pipeline')
_MARKS = (DELETE_KEY, '_scope_')


def check_tables(cfg: Config) -> None:
    """Check the tables before anything is taken from them.

    A misspelt key would leave what it was to replace as it is.

    Args:
        cfg: A config with all of :data:`TABLES`.

    Raises:
        ConfigError: Names the key that nothing reads, and the closest that
            there is, or the value that is not what its key needs.
    """
    shown = cfg.get('target_images', 'images')
    if shown is not None and not isinstance(shown, str):
        raise ConfigError(
            f'target_images={shown!r}: must be None or the name of a '
            'pipeline, such as images for images_pipeline'
        )
    for name, kind in _ENTRIES.items():
        for key, entry in cfg[name].items():
            _check_entry(entry, kind, f'{name}.{key}', f'{shown}_pipeline')
    for key, entry in cfg.protocol.items():
        place = f'protocol.{key}.exceptions'
        for name, part in (entry or {}).get('exceptions', {}).items():
            if name not in (*cfg.domains, *_MARKS):
                raise _unread(f'{place}.{name}', name, cfg.domains)
            _check_entry(
                part, _Exception, f'{place}.{name}', f'{shown}_pipeline'
            )


def _check_entry(entry: Any, kind: Any, place: str, shown: str) -> None:
    """Check keys and values of an entry.

    Args:
        entry: Of a table; None is none.
        kind: Its keys, and what they hold.
        place: Of the entry.
        shown: The pipeline of the target images of this config; another name
            of a pipeline may be that of ``target_images`` of some config.
    """
    if entry is None:  # takes out what a base has
        return
    fault = find_fault(entry, kind, place)
    if fault is not None:
        raise ConfigError(str(fault))
    known = get_type_hints(kind)
    for key, value in entry.items():
        if key in (*known, *_MARKS):
            continue
        free = 'train_pipeline' in known and str(key).endswith('_pipeline')
        misnamed = key in _MISNOMERS or _misspelt(key)
        if not free or (misnamed and key != shown):
            raise _unread(f'{place}.{key}', key, known)
        fault = find_fault(value, _Pipeline, f'{place}.{key}')
        if fault is not None:
            raise ConfigError(str(fault))


def _unread(place: str, key: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(
        f'{place}: nothing reads it{did_you_mean(key, known)}; '
        f'there may be {", ".join(map(str, known))}'
    )


def _misspelt(key: str) -> bool:
    known = _Exception.__annotations__
    return bool(difflib.get_close_matches(key, known, n=1, cutoff=0.9))


def entry_of(table: Mapping, key: str, name: str, asked: str) -> Mapping:
    """An entry of a table.

    Args:
        table: By name.
        key: Of the entry.
        name: Of the table.
        asked: Place of what it is looked up for.

    Raises:
        ConfigError: There is none, or it lacks what each has.
    """
    if key not in table:
        raise ConfigError(
            f'{asked}: {name} has no {key!r}'
            f'{did_you_mean(key, table)}; it has {", ".join(table)}'
        )
    entry = table[key]
    if entry is None:
        raise ConfigError(f'{name}.{key}=None: {asked} needs it')
    for part in _REQUIRED if name == 'protocol' else ():
        if part not in entry:
            raise ConfigError(f'{name}.{key}: it lacks {part!r}')
    return entry


def part_of(domains: Mapping, name: str, key: str, needed: str) -> Mapping:
    """A dict of a domain.

    Args:
        domains: The table.
        name: Of the domain.
        key: Of the dict.
        needed: What it has to have.

    Raises:
        ConfigError: It hasn't, or is no dict.
    """
    part = domains[name].get(key)
    if not isinstance(part, Mapping) or needed not in part:
        raise ConfigError(
            f'domains.{name}.{key}={part!r}: must be a dict with {needed!r}'
        )
    return part


def check_names(setting: Mapping, name: str) -> None:
    """Check the names of source, targets and labelled target.

    Raises:
        ConfigError: They are no names, or a target is there twice.
    """
    for key in ('source', 'targets', LABELLED_TARGET):
        given = setting.get(key)
        if key == LABELLED_TARGET and given is None:
            continue
        one = key != 'targets' and isinstance(given, str)
        listed = given if isinstance(given, list | tuple) else []
        if not one and not (
            listed and all(isinstance(part, str) for part in listed)
        ):
            what = '' if key == 'targets' else 'a name or '
            raise ConfigError(
                f'settings.{name}.{key}={given!r}: must be {what}a list of '
                'names'
            )
        if not one and len(set(listed)) < len(listed):
            raise ConfigError(
                f'settings.{name}.{key}={given!r}: a domain stands there twice'
            )
