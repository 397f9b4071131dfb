# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a config is trained and tested on, by the name of a setting."""

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError

TABLES = ('domains', 'settings', 'protocol')
_HEADS = ('decode_head', 'auxiliary_head')


def choose_setting(cfg: Config, asked: str | None = None) -> None:
    """Fill in data, evaluation and classes of ``cfg.setting``, in place.

    A setting is one of the table ``settings``, ``g2cmi`` for one, or one with
    a variant of the ``protocol`` behind it, ``g2cmi_19``. What a config says
    itself of its data loaders and evaluators is kept, ``{setting}`` in
    ``load_from`` becomes the name, and the tables are left out afterwards.

    Args:
        cfg: A config with the tables of ``configs/_base_/settings``; any
            other is left as it is.
        asked: The setting, if a user has asked for it.

    Raises:
        ConfigError: The setting, its variant or one of its domains is in
            none of the tables, a domain lacks what it is used for, or the
            config has no tables to choose from.
    """
    if not all(isinstance(cfg.get(key), Mapping) for key in TABLES):
        if asked is not None:
            raise ConfigError(
                f'setting={asked!r}: this config has no settings to choose '
                'from; take one of configs/mtda, or that which it was made of'
            )
        return
    name = cfg.get('setting')
    if not isinstance(name, str):
        raise ConfigError(
            f'setting={name!r}: give one of {", ".join(cfg.settings)}'
        )
    pair, _, variant = name.rpartition('_')
    if not pair or name in cfg.settings:
        pair, variant = name, 'default'
    setting = _entry(cfg.settings, pair, 'settings', name)
    _check_names(setting, pair)
    protocol = _entry(cfg.protocol, variant, 'protocol', name)
    chosen = _data_of(cfg, setting, protocol)
    chosen |= copy.deepcopy(dict(protocol.get('config', {})))
    own = {key: cfg[key] for key in chosen if key in cfg}
    for key, value in _merged(own, chosen).items():
        cfg[key] = value
    if isinstance(cfg.get('load_from'), str):
        cfg.load_from = cfg.load_from.replace('{setting}', name)
    fill_model(cfg.get('model'), protocol['num_classes'], setting['targets'])
    for key in TABLES:
        cfg.pop(key)


def fill_model(model: Any, num_classes: int, targets: list[str]) -> None:
    """Tell a model what its setting is, in place.

    Args:
        model: Config of a method.
        num_classes: Of the heads, and the channels of discriminators that
            do not say so themselves.
        targets: In place of each ``targets=None``.
    """
    if not isinstance(model, dict):
        return
    if 'targets' in model and model['targets'] is None:
        model['targets'] = list(targets)
    heads = [model.get(name) for name in _HEADS]
    for head in heads:
        for part in head if isinstance(head, list) else [head]:
            if isinstance(part, dict):
                part['num_classes'] = num_classes
    judge = model.get('discriminator')
    if isinstance(judge, dict):
        judge.setdefault('in_channels', num_classes)
    fill_model(model.get('segmentor'), num_classes, targets)


def _data_of(cfg: Config, setting: Mapping, protocol: Mapping) -> dict:
    """Data loaders and evaluators of a setting."""
    source, targets = setting['source'], setting['targets']
    domains = {
        name: _entry(cfg.domains, name, 'domains', name)
        for name in (source, *targets)
    }
    evaluated = [name for name in targets if domains[name].get('val')]
    loaders = [
        dict(
            protocol['evaluated'],
            dataset=_data_set(protocol, domains, name, 'val', test_mode=True),
        )
        for name in evaluated
    ]
    metrics = [_metrics_of(protocol, name) for name in evaluated]
    # Of a warm-up: without the pseudo-labels that it makes possible.
    shown = cfg.get('target_images', 'images')
    images = {
        name: _data_set(protocol, domains, name, shown) for name in targets
    }
    labelled = _data_set(protocol, domains, source, 'train')
    found: dict[str, Any] = dict(
        targets=list(targets),
        num_classes=protocol['num_classes'],
        train_dataloader=dict(dataset=dict(source=labelled, targets=images)),
    )
    if evaluated:
        for event in ('val', 'test'):
            found[f'{event}_dataloader'] = copy.deepcopy(loaders)
            found[f'{event}_evaluator'] = copy.deepcopy(metrics)
    return found


def _metrics_of(protocol: Mapping, name: str) -> dict | list[dict]:
    metric = dict(
        type='DomainIoUMetric',
        iou_metrics=['mIoU'],
        prefix=name,
        **_exception(protocol, name).get('metric', {}),
    )
    more = protocol.get('more_metrics', [])
    others = [dict(config, prefix=name) for config in more]
    return [metric, *others] if others else metric


def _data_set(
    protocol: Mapping, domains: Mapping, name: str, part: str, **more
) -> dict:
    """A domain's ``train``, its ``val``, or images alone as ``part`` says."""
    split = 'val' if part == 'val' else 'train'
    kind = _part(domains, name, 'dataset', 'type')
    prefix = dict(_part(domains, name, split, 'img_path'))
    if part not in ('train', 'val'):
        prefix = dict(img_path=prefix['img_path'])
    elif 'seg_map_path' not in prefix and part == 'train':
        raise ConfigError(
            f'domains.{name}.train has no seg_map_path: a source needs labels'
        )
    steps = f'{part}_pipeline'
    own = _exception(protocol, name)
    if steps not in own and steps not in protocol:
        raise ConfigError(
            f'target_images={part!r}: the protocol of this setting has no '
            f'{steps}'
        )
    pipeline = own[steps] if steps in own else protocol[steps]
    return copy.deepcopy(
        dict(
            kind,
            data_prefix=prefix,
            label_set=protocol['label_set'],
            pipeline=pipeline,
            **more,
        )
    )


def _exception(protocol: Mapping, name: str) -> Mapping:
    return protocol.get('exceptions', {}).get(name, {})


def _entry(table: Mapping, key: str, name: str, asked: str) -> Mapping:
    """An entry of a table; ``asked`` is what it was looked up for."""
    if key not in table:
        what = 'domain' if name == 'domains' else 'setting'
        raise ConfigError(
            f'{what}={asked!r}: {name} has no {key!r}'
            f'{did_you_mean(key, table)}; it has {", ".join(table)}'
        )
    entry = table[key]
    if not isinstance(entry, Mapping):
        raise ConfigError(f'{name}.{key}={entry!r}: must be a dict')
    return entry


def _part(domains: Mapping, name: str, key: str, needed: str) -> Mapping:
    """A dict of a domain, which has what is ``needed``."""
    part = domains[name].get(key)
    if not isinstance(part, Mapping) or needed not in part:
        raise ConfigError(
            f'domains.{name}.{key}={part!r}: must be a dict with {needed!r}'
        )
    return part


def _check_names(setting: Mapping, name: str) -> None:
    source, targets = setting.get('source'), setting.get('targets')
    if not isinstance(source, str):
        raise ConfigError(f'settings.{name}.source={source!r}: must be a name')
    listed = targets if isinstance(targets, list | tuple) else []
    if not listed or not all(isinstance(part, str) for part in listed):
        raise ConfigError(
            f'settings.{name}.targets={targets!r}: must be a list of names'
        )


def _merged(own: dict, below: dict) -> dict:
    """As if a config with ``own`` had inherited from one with ``below``."""
    return Config._merge_a_into_b(ConfigDict(own), ConfigDict(below))
