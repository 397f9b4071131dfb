# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Iterations of methods for several targets on one random batch."""

import copy
from contextlib import ExitStack
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmuda.benchmark.setting import (
    image_sizes,
    method_configs,
    optimizer_config,
)
from mmuda.benchmark.training_case import random_batch
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

METHODS = ('MultiDis', 'MTKT', 'CCL', 'CoaST', 'MLCL')
SOURCE = 'source'
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


class SeveralTargetsCase:
    """A method for a number of targets, and one random batch.

    The content of the images has no influence on time and memory. All parts
    of a method are at work, as late in a training.

    Args:
        cfg: A training config; sizes, network and optimizers are its, those
            of its first target for each target.
        method: One of ``METHODS``.
        number: How many targets.
        device: Where to compute.
    """

    def __init__(
        self, cfg: Config, method: str, number: int, device: str = 'cpu'
    ) -> None:
        self.device = device
        self.targets = target_names(number)
        model = MODELS.build(method_config(cfg, method, self.targets))
        model.init_weights()
        self.model = revert_sync_batchnorm(model).to(device).train()
        self.wrapper = build_optim_wrapper(
            self.model, ConfigDict(_optimizers(cfg, method))
        )
        sizes = image_sizes(cfg)
        self.batch = random_batch(
            {SOURCE: sizes[SOURCE]}
            | {name: sizes['target'] for name in self.targets},
            cfg.train_dataloader.batch_size,
            self.model.num_classes,
        )
        for name in self.targets:
            for sample in self.batch['data_samples'][name]:
                _label_softly(sample, self.model.num_classes)

    def step(self, recompute: bool = False) -> None:
        """One iteration, as the training loop runs it.

        Args:
            recompute: Keep no activations of the backbone; for methods of
                ``SEVERAL_VIEWS``.
        """
        if recompute:
            self.model.segmentor.recompute_features = True
        self.model.train_step(self.batch, self.wrapper)
        if recompute:
            self.model.segmentor.recompute_features = False

    def count_passes(self) -> int:
        """Forward passes of backbones in one iteration."""
        passes: list[None] = []
        with ExitStack() as stack:
            for module in self.model.modules():
                if hasattr(module, 'backbone'):
                    handle = module.backbone.register_forward_hook(
                        lambda *_: passes.append(None)
                    )
                    stack.callback(handle.remove)
            self.step()
        return len(passes)

    def fill_gradients(self) -> None:
        """Give each trained parameter a gradient of zeros.

        Iterations then have none to make, so that what parameters of heads,
        experts and discriminators need is left out of peaks.
        """
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)


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
    given = method_configs(cfg)['AdvEnt']
    segmentor = copy.deepcopy(dict(given['segmentor']))
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


def _optimizers(cfg: Config, method: str) -> dict[str, Any]:
    config = optimizer_config(cfg, 'AdvEnt')
    if method not in _ADVERSARIAL:
        del config['discriminator']
    if method == 'CCL':
        config['expert'] = config['segmentor']
    return config


def _label_softly(sample: SegDataSample, num_classes: int) -> None:
    """Replace a target's label, which it has not in training."""
    del sample.gt_sem_seg
    shape = (num_classes, *sample.img_shape)
    soft = torch.randn(shape).softmax(dim=0)
    sample.pseudo_soft_seg = PixelData(data=soft.half())
