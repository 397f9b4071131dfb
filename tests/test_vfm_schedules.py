"""Rates of VFM-UDA, as its configs have them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from tiny_transformers import transformer_model, vit_config
from torch import nn
from torch.optim import SGD

ROOT = Path(__file__).parents[1] / 'configs' / '_base_' / 'schedules'
RATE = 5e-5 * 8**0.5


def load(name):
    return Config.fromfile(ROOT / f'{name}.py')


def rates(name, layers=3):
    """Rate and weight decay of each parameter by name."""
    arch = dict(embed_dims=24, num_layers=layers, num_heads=2)
    model = transformer_model('SourceOnly', backbone=vit_config(arch=arch))
    model.segmentor.backbone.learn_mask_token()
    wrapper = build_optim_wrapper(model, load(name).optim_wrapper)
    groups = {
        id(parameter): (group['lr'], group['weight_decay'])
        for group in wrapper['segmentor'].param_groups
        for parameter in group['params']
    }
    return {
        name: groups[id(parameter)]
        for name, parameter in model.segmentor.named_parameters()
    }


def test_rate_by_iteration():
    """Warm-up, then a line that has fallen without it."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(part, optimizer=optimizer))
        for part in load('vfm_uda').param_scheduler
    ]
    found = []
    for _ in range(40000):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    warm = np.linspace(1e-3, 1, 1500)
    line = np.linspace(1, 0, 40001)[1500:40000]
    expected = RATE * np.concatenate([warm, line])
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_backbone_has_a_tenth():
    for name, (rate, decay) in rates('vfm_uda').items():
        share = 0.1 if name.startswith('backbone.') else 1
        assert rate == pytest.approx(RATE * share, rel=1e-12), name
        assert decay == 0.01


def test_rates_fall_from_block_to_block():
    found = rates('vfm_uda_layer_decay', layers=12)
    for name, (rate, _) in found.items():
        share = 1.0
        if name.startswith('backbone.blocks.'):
            share = 0.1 * 0.9 ** (11 - int(name.split('.')[2]))
        elif name.startswith('backbone.'):
            share = 0.1 * 0.9**12
        assert rate == pytest.approx(RATE * share, rel=1e-12), name
    assert {name.split('.')[1] for name in found} == {
        *('blocks', 'cls_token', 'mask_token', 'norm', 'patch_embed'),
        *('pos_embed', 'upscale', 'conv_seg'),
    }
