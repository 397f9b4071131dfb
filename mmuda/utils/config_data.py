# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The data sets of a config by name."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError

DatasetConfig = Mapping[str, Any] | list


def data_sets(cfg: Config) -> dict[str, DatasetConfig]:
    """Name all data sets of a config.

    Args:
        cfg: A whole config.

    Returns:
        The domains of ``train_dataloader``, ``val`` and ``test``; several
        validation or test sets are ``val.<prefix>`` and so on, after the
        prefix of their evaluators.
    """
    loader = cfg.get('train_dataloader') or {}
    training = loader.get('dataset') or {}
    found = {name: training.get(name) for name in ('source', 'target')}
    found |= training.get('targets') or {}
    for event in ('val', 'test'):
        found |= _evaluated(cfg, event)
    return {name: config for name, config in found.items() if config}


def data_set(cfg: Config, name: str, option: str) -> DatasetConfig:
    """Return a data set of :func:`data_sets`.

    Args:
        cfg: A whole config.
        name: Of the data set.
        option: Of the command line, that gave the name.

    Raises:
        ConfigError: The config has no such data set.
    """
    found = data_sets(cfg)
    if name not in found:
        raise ConfigError(
            f"{option} '{name}': the config has "
            f'{", ".join(found) or "no data sets"}{did_you_mean(name, found)}'
        )
    return found[name]


def _evaluated(cfg: Config, event: str) -> dict[str, DatasetConfig]:
    loaders = cfg.get(f'{event}_dataloader') or {}
    if not isinstance(loaders, (list, tuple)):
        return {event: loaders.get('dataset')}
    found = {}
    for position, loader in enumerate(loaders):
        metric = (cfg.get(f'{event}_evaluator') or [])[position : position + 1]
        while metric and isinstance(metric, (list, tuple)):
            metric = metric[0]
        prefix = dict(metric or {}).get('prefix') or position
        found[f'{event}.{prefix}'] = loader['dataset']
    return found
