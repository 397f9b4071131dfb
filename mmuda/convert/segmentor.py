# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Turning the trained network of a method into a plain mmseg segmentor."""

from collections.abc import Mapping
from typing import Any, Literal

from mmengine.config import Config
from mmengine.registry import Registry
from torch import Tensor

import mmuda.registry
from mmuda.utils.errors import CheckpointError, ConfigError

from .state_dicts import StateDict

_IMPORTS = ('mmuda.models', 'mmuda.datasets', 'mmuda.evaluation')
_KEPT_KEYS = (
    'test_pipeline',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
    'tta_model',
    'tta_pipeline',
    'default_hooks',
    'env_cfg',
    'vis_backends',
    'visualizer',
    'log_level',
)


def strip_segmentor_prefix(
    state_dict: Mapping[str, Tensor],
    path: str = 'the checkpoint',
    network: Literal['segmentor', 'teacher'] = 'segmentor',
) -> StateDict:
    """Keep the tensors of one network, under a plain segmentor's names.

    Args:
        state_dict: Tensors of a method (``segmentor.*``, ``discriminator.*``
            and others).
        path: The file, for messages.
        network: The network to keep.

    Raises:
        CheckpointError: If there is no such network.
    """
    prefix = f'{network}.'
    stripped = {
        name.removeprefix(prefix): tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }
    if not stripped:
        remedy = (
            'pass a checkpoint written by the training of a method'
            if network == 'segmentor'
            else 'only a training with model.teacher=True has one'
        )
        raise CheckpointError(f'{path} holds no tensor {prefix}*: {remedy}.')
    return stripped


def plain_config(cfg: Config) -> Config:
    """Make the config with which stock mmseg tools test the segmentor.

    The model becomes an ``EncoderDecoder`` with a ``SegDataPreProcessor``;
    test data, evaluator and loop stay. Types of mmuda get its scope, and
    ``custom_imports`` registers them; without any, mmuda is not needed. With
    ``test_cfg.upsample_once``, which mmseg does not know, the model stays a
    ``UDAEncoderDecoder``.

    Args:
        cfg: Config of a method, with ``model.segmentor``.

    Raises:
        ConfigError: If ``model.segmentor`` is missing.
    """
    if 'segmentor' not in cfg.get('model', {}):
        raise ConfigError(
            f'{cfg.filename} has no model.segmentor: pass the config that the'
            ' method was trained with.'
        )
    raw = cfg.to_dict()
    plain = dict(model=_plain_model(raw['model']))
    plain.update({key: raw[key] for key in _KEPT_KEYS if key in raw})
    scoped = _add_scope(plain, _own_types())
    if scoped != plain:
        scoped['custom_imports'] = dict(
            imports=list(_IMPORTS), allow_failed_imports=False
        )
    return Config(dict(default_scope='mmseg', **scoped))


def _plain_model(method: dict) -> dict:
    model = method['segmentor']
    upsample_once = (model.get('test_cfg') or {}).get('upsample_once', False)
    model['type'] = 'UDAEncoderDecoder' if upsample_once else 'EncoderDecoder'
    preprocessor = method.get('data_preprocessor')
    if preprocessor is not None:
        preprocessor['type'] = 'SegDataPreProcessor'
        if preprocessor.get('size') is None:
            preprocessor.setdefault('size_divisor', 1)
        model['data_preprocessor'] = preprocessor
    return model


def _own_types() -> set[str]:
    registries = [
        value
        for value in vars(mmuda.registry).values()
        if isinstance(value, Registry)
    ]
    for registry in registries:
        registry.import_from_location()
    return {name for registry in registries for name in registry.module_dict}


def _add_scope(value: Any, own_types: set[str]) -> Any:
    if isinstance(value, dict):
        scoped = {k: _add_scope(v, own_types) for k, v in value.items()}
        if scoped.get('type') in own_types:
            scoped['type'] = f'mmuda.{scoped["type"]}'
        return scoped
    if isinstance(value, list | tuple):
        return type(value)(_add_scope(item, own_types) for item in value)
    return value
