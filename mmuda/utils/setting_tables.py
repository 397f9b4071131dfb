# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The tables of which the data of a config are made, and what they hold."""

import difflib
from collections.abc import Iterable, Mapping

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY

from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError

TABLES = ('domains', 'settings', 'protocol')
# Of a whole config, to be looked at: they follow from its setting.
FOLLOWING = ('targets', 'num_classes')
_DOMAIN = ('dataset', 'train', 'val', 'test')
_SETTING = ('source', 'targets', 'protocol')
_PIPELINES = ('train_pipeline', 'images_pipeline', 'val_pipeline')
_PROTOCOL = (
    *('num_classes', 'label_set', 'one_target', 'sampling'),
    *('evaluated', 'metric', 'more_metrics', 'exceptions', 'config'),
    *_PIPELINES,
)
_REQUIRED = ('num_classes', 'evaluated')
_EXCEPTION = ('label_set', 'metric', *_PIPELINES)
# Names that a data loader's pipeline would have: no data are shown through
# them, unless a config has `target_images` of the name.
_MISNOMERS = ('source_pipeline', 'target_pipeline', 'test_pipeline')
_MARKS = (DELETE_KEY, '_scope_')


def check_tables(cfg: Config) -> None:
    """Check that the tables have no keys that nothing reads.

    A misspelt one would leave what it was to replace as it is.

    Args:
        cfg: A config with all of :data:`TABLES`.

    Raises:
        ConfigError: Names the key, and the closest that there is.
    """
    shown = f'{cfg.get("target_images", "images")}_pipeline'
    for name, known in (('domains', _DOMAIN), ('settings', _SETTING)):
        for key, entry in cfg[name].items():
            _check_keys(entry, known, f'{name}.{key}')
    for key, entry in cfg.protocol.items():
        place = f'protocol.{key}'
        _check_keys(entry, _PROTOCOL, place, shown)
        if not isinstance(entry, Mapping):
            continue
        exceptions = entry.get('exceptions', {})
        _check_keys(exceptions, tuple(cfg.domains), f'{place}.exceptions')
        for domain, part in exceptions.items():
            _check_keys(
                part, _EXCEPTION, f'{place}.exceptions.{domain}', shown
            )


def _check_keys(
    entry: object, known: tuple[str, ...], place: str, shown: str = ''
) -> None:
    """Check the keys of an entry; what is no dict is found when it is used.

    Args:
        entry: Of a table.
        known: Its keys; another name of a pipeline may be that of
            ``target_images`` of some config.
        place: Of the entry.
        shown: The pipeline of the target images of this config.
    """
    if not isinstance(entry, Mapping):
        return
    for key in entry:
        if key in (*known, *_MARKS, shown):
            continue
        free = shown and str(key).endswith('_pipeline')
        if free and key not in _MISNOMERS and not _misspelt(key):
            continue
        raise ConfigError(
            f'{place}.{key}: nothing reads it{did_you_mean(key, known)}; '
            f'there may be {", ".join(map(str, known))}'
        )


def _misspelt(key: str, known: Iterable[str] = _PIPELINES) -> bool:
    return bool(difflib.get_close_matches(key, known, n=1, cutoff=0.9))


def entry_of(table: Mapping, key: str, name: str, asked: str) -> Mapping:
    """An entry of a table.

    Args:
        table: By name.
        key: Of the entry.
        name: Of the table.
        asked: The setting that it is looked up for.

    Raises:
        ConfigError: There is none, or it is no dict.
    """
    if key not in table:
        what = 'domain' if name == 'domains' else 'setting'
        raise ConfigError(
            f'{what}={asked!r}: {name} has no {key!r}'
            f'{did_you_mean(key, table)}; it has {", ".join(table)}'
        )
    entry = table[key]
    if not isinstance(entry, Mapping):
        raise ConfigError(f'{name}.{key}={entry!r}: must be a dict')
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
    """Check the names of source and targets.

    Raises:
        ConfigError: They are no names, or a target is there twice.
    """
    for key in ('source', 'targets'):
        given = setting.get(key)
        one = key == 'source' and isinstance(given, str)
        listed = given if isinstance(given, list | tuple) else []
        if not one and not (
            listed and all(isinstance(part, str) for part in listed)
        ):
            what = 'a name or ' if key == 'source' else ''
            raise ConfigError(
                f'settings.{name}.{key}={given!r}: must be {what}a list of '
                'names'
            )
        if not one and len(set(listed)) < len(listed):
            raise ConfigError(
                f'settings.{name}.{key}={given!r}: a domain stands there twice'
            )
