# Copyright (c) mmuda authors.
"""Configs of methods for several targets on a config's network."""

import copy
from typing import Any

from mmengine.config import Config, ConfigDict

from benchmarks.setting import method_configs, optimizer_config
from mmuda.utils.errors import ConfigError

METHODS = ('MultiDis', 'MTKT', 'CCL', 'CoaST', 'MLCL')
# Methods whose losses on a target need several views at once.
SEVERAL_VIEWS = ('CoaST', 'MLCL')
# Methods that show images in the colours of each target.
COLORED = ('CCL', 'MLCL')
_ADVERSARIAL = ('MultiDis', 'MTKT', 'CCL')
_OF_SEVERAL_HEADS = (
    'targets',
    'ensemble',
    'predict_head',
    'style_layers',
    'recompute_features',
)
_STYLE_LAYERS = ('layer1', 'layer2')
# Of mmseg's ResNet and of the discriminators; group norms need a multiple of
# their groups.
_BASE_CHANNELS = 64
_GROUPS = 32


def needed_passes(method: str, number: int) -> int:
    """Forward passes of backbones that an iteration of a method needs.

    Args:
        method: One of ``METHODS``.
        number: How many targets, T.

    Returns:
        For MultiDis and MTKT one pass of each domain. For CoaST one of the
        source and one of each target in each style; for MLCL T more, as the
        source is seen in each target's colours. For CCL each expert sees the
        source and each target, and the student each target.
    """
    return {
        'MultiDis': 1 + number,
        'MTKT': 1 + number,
        'CCL': number + number**2 + number,
        'CoaST': 1 + number**2,
        'MLCL': 1 + number + number**2,
    }[method]


def target_names(number: int) -> list[str]:
    """Names for a number of targets.

    Raises:
        ConfigError: There is none.
    """
    if number < 1:
        raise ConfigError(f'--targets {number}: give positive numbers')
    return [f'target_{position}' for position in range(1, number + 1)]


def method_config(cfg: Config, method: str, targets: list[str]) -> ConfigDict:
    """Config of a method for several targets on a config's network.

    Heads of each target are copies of the network's; CoaST and MLCL have no
    auxiliary ones.

    Args:
        cfg: A training config.
        method: One of ``METHODS``.
        targets: Names of the targets.
    """
    given = copy.deepcopy(method_configs(cfg)['AdvEnt'])
    segmentor = dict(given['segmentor'])
    layers = segmentor.get('style_layers') or _STYLE_LAYERS
    for key in _OF_SEVERAL_HEADS:
        segmentor.pop(key, None)
    segmentor['type'] = 'UDAEncoderDecoder'
    if method in ('MTKT', *SEVERAL_VIEWS):
        segmentor |= dict(type='MultiHeadEncoderDecoder', targets=targets)
    if method in SEVERAL_VIEWS:
        segmentor['auxiliary_head'] = None
    if method == 'CoaST':
        segmentor['style_layers'] = layers
    if method == 'MLCL':
        segmentor['ensemble'] = True
    config = dict(
        type=method,
        data_preprocessor=given['data_preprocessor'],
        segmentor=segmentor,
        targets=targets,
    )
    return ConfigDict(config | _weights(method, given))


def _weights(method: str, given: dict[str, Any]) -> dict[str, Any]:
    weights = given['adversarial_weights']
    if method not in _ADVERSARIAL:
        return {}
    config = dict(
        adversarial_weights=weights, discriminator=given['discriminator']
    )
    if method == 'MTKT':
        config['divergence_weights'] = weights
    if method == 'CCL':
        config['consistency_weights'] = weights
        config['distillation_weights'] = weights
    return config


def optimizers(cfg: Config, method: str) -> dict[str, Any]:
    """Optimizers of a method: the config's, those of ADVENT by default.

    Args:
        cfg: A training config.
        method: One of ``METHODS``.
    """
    config = optimizer_config(cfg, 'AdvEnt')
    if method not in _ADVERSARIAL:
        del config['discriminator']
    if method == 'CCL':
        config['expert'] = config['segmentor']
    return config


def scale_width(model: ConfigDict, factor: float) -> None:
    """Multiply the channels of a ResNet and of discriminators, in place.

    A narrow network needs little time, and on images that are not small its
    activations outweigh its parameters, as in real trainings.

    Args:
        model: Config of a method.
        factor: Multiplies the number of channels.

    Raises:
        ConfigError: The factor is not positive, or the backbone no ResNet.
    """
    backbone = model.segmentor.backbone
    if factor == 1:
        return
    if factor <= 0 or 'depth' not in backbone:
        raise ConfigError(
            f'--targets-memory: the factor {factor:g} on channels must be '
            f'positive, and 1 for the backbone {backbone.type}'
        )
    parts = [(backbone, 'base_channels'), (backbone, 'stem_channels')]
    if 'discriminator' in model:
        parts.append((model.discriminator, 'base_channels'))
    for part, key in parts:
        part[key] = round(factor * part.get(key, _BASE_CHANNELS))
    for name in ('decode_head', 'auxiliary_head'):
        head = model.segmentor.get(name)
        if head:
            head.in_channels = round(factor * head.in_channels)
        if head and 'channels' in head:
            head.channels = max(_GROUPS, round(factor * head.channels))
