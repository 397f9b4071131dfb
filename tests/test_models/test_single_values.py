"""Heads with image pooling under batch norm, one image a batch."""

import copy
import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from tiny_models import (
    NUM_CLASSES,
    batch,
    model_config,
    optim_config,
    segmentor_config,
)
from torch import nn

from mmuda.models.segmentors.uda_encoder_decoder import allow_single_values
from mmuda.registry import MODELS

BN = dict(type='BN', requires_grad=True)
# Those that docs/networks.md names, and others.
HEADS = dict(
    FCNHead=dict(num_convs=1),
    ASPPHead=dict(dilations=(1, 2)),
    DepthwiseSeparableASPPHead=dict(
        dilations=(1, 2), c1_in_channels=32, c1_channels=8
    ),
    PSPHead=dict(pool_scales=(1, 2, 3, 6)),
    UPerHead=dict(pool_scales=(1, 2, 3, 6)),
    SegformerHead={},
    GCHead=dict(ratio=1 / 4),
)
ALL_STAGES = ('UPerHead', 'SegformerHead')


def head_config(kind):
    several = kind in ALL_STAGES
    return dict(
        type=kind,
        in_channels=[32, 64] if several else 64,
        in_index=[0, 1] if several else 1,
        channels=16,
        num_classes=NUM_CLASSES,
        norm_cfg=BN,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        **HEADS[kind],
    )


def build(kind, norm='BN'):
    segmentor = segmentor_config(two_heads=False)
    segmentor['decode_head'] = head_config(kind)
    segmentor['decode_head']['norm_cfg'] = dict(type=norm, requires_grad=True)
    torch.manual_seed(0)
    model = MODELS.build(model_config('AdvEnt', False, segmentor=segmentor))
    model.init_weights()
    return model.train()


@pytest.mark.parametrize('norm', ['BN', 'SyncBN'])
@pytest.mark.parametrize('kind', HEADS)
def test_one_image_of_each_domain(kind, norm):
    model = build(kind, norm)
    optimizers = build_optim_wrapper(model, optim_config('AdvEnt'))
    for seed in range(2):
        logs = model.train_step(batch(1, seed=seed), optimizers)
        assert all(value.isfinite() for value in logs.values())


def pooling_norm(model):
    return model.segmentor.decode_head.psp_modules[0][1].bn


def test_a_single_value_is_normalised_as_in_testing():
    norm = pooling_norm(build('PSPHead'))
    norm.running_mean.fill_(0.5)
    norm.running_var.fill_(4.0)
    norm.weight.data.fill_(3.0)
    norm.bias.data.fill_(1.0)
    values = torch.randn(1, 16, 1, 1)
    trained = norm(values)
    expected = 3 * (values - 0.5) / (4 + norm.eps) ** 0.5 + 1
    torch.testing.assert_close(trained, expected)
    assert norm.training
    assert norm.running_mean.eq(0.5).all()
    assert norm.num_batches_tracked == 0
    assert torch.equal(norm.eval()(values), trained)


def test_gradients_reach_scale_and_shift():
    norm = pooling_norm(build('PSPHead'))
    values = torch.randn(1, 16, 1, 1, requires_grad=True)
    norm(values).sum().backward()
    torch.testing.assert_close(norm.bias.grad, torch.ones(16))
    torch.testing.assert_close(values.grad.flatten(), torch.ones(16))


@pytest.mark.parametrize('shape', [(2, 16, 1, 1), (1, 16, 1, 2)])
def test_two_values_are_normalised_by_themselves(shape):
    values = torch.randn(shape)
    norm = pooling_norm(build('PSPHead'))
    plain = nn.BatchNorm2d(16).train()
    torch.testing.assert_close(norm(values), plain(values))
    torch.testing.assert_close(norm.running_var, plain.running_var)


def test_copies_have_modes_of_their_own():
    norm = pooling_norm(build('PSPHead'))
    copied = copy.deepcopy(norm).eval()
    norm(torch.randn(1, 16, 1, 1))
    assert norm.training
    copied(torch.randn(1, 16, 1, 1))
    assert not copied.training


def test_weights_have_the_names_they_had():
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    names = list(plain.state_dict())
    allow_single_values(plain)
    allow_single_values(plain)
    assert list(plain.state_dict()) == names
    assert len(plain[1]._forward_pre_hooks) == 1


def test_it_is_said_once(caplog):
    model = build('PSPHead')
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with torch.no_grad():
        for _ in range(3):
            model.segmentor(torch.randn(1, 3, 32, 32))
    logger.removeHandler(caplog.handler)
    said = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(said) == 1
    text = said[0].getMessage()
    assert text.startswith('decode_head.psp_modules.0.1.bn: ')
    assert 'batch_size=2' in text
