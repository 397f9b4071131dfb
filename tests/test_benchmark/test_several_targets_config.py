import copy
from pathlib import Path

import pytest
from benchmark_config import tiny_config

from benchmarks.several_targets_case import SeveralTargetsCase
from benchmarks.several_targets_config import (
    METHODS,
    method_config,
    optimizers,
    scale_width,
    target_names,
)
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs'


def config_of(method, number=2, cfg=None):
    return method_config(cfg or tiny_config(), method, target_names(number))


def test_names_of_targets():
    assert target_names(2) == ['target_1', 'target_2']


def test_no_target_is_refused():
    with pytest.raises(ConfigError, match='--targets 0'):
        target_names(0)


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_self_training_has_no_auxiliary_heads(method):
    assert config_of(method).segmentor.auxiliary_head is None


@pytest.mark.parametrize('method', METHODS)
def test_targets_are_those_of_the_heads(method):
    config = config_of(method, 3)
    heads = config.segmentor.get('targets', config.targets)
    assert heads == config.targets == target_names(3)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize(
    'name', ['mlcl_aspp-r101_g2ci', 'mtkt_deeplabv2-r101_g2ci']
)
def test_network_of_a_config_for_several_targets(name, method):
    """Its own targets and heads are replaced."""
    cfg = load_config(CONFIGS / f'mtda/{name}.py')
    config = config_of(method, 1, cfg)
    assert config.segmentor.get('ensemble', False) is (method == 'MLCL')
    assert config.segmentor.get('targets') in (None, ['target_1'])
    assert config.segmentor.backbone.depth == 101


@pytest.mark.parametrize(
    ('method', 'players'),
    [
        ('MTKT', ['discriminator', 'segmentor']),
        ('CCL', ['discriminator', 'expert', 'segmentor']),
        ('MLCL', ['segmentor']),
    ],
)
def test_players_have_optimizers(method, players):
    config = optimizers(tiny_config(), method)
    del config['constructor']
    assert sorted(config) == players


@pytest.mark.parametrize('method', METHODS)
def test_half_the_width(method):
    config = config_of(method)
    scale_width(config, 0.5)
    backbone, head = config.segmentor.backbone, config.segmentor.decode_head
    assert (backbone.base_channels, backbone.stem_channels) == (4, 32)
    # Group norms of 32 groups need 32 channels.
    assert (head.in_channels, head.channels) == (32, 32)
    if 'discriminator' in config:
        assert config.discriminator.base_channels == 2


def test_width_of_an_auxiliary_head():
    config = config_of('MTKT')
    scale_width(config, 0.5)
    assert config.segmentor.auxiliary_head.in_channels == 16


def test_factor_of_zero_on_the_width_is_refused():
    with pytest.raises(ConfigError, match='the factor 0 on channels'):
        scale_width(config_of('MTKT'), 0)


def test_width_of_another_backbone_is_refused():
    config = config_of('MTKT')
    config.segmentor.backbone = dict(type='VGG')
    with pytest.raises(ConfigError, match='1 for the backbone VGG'):
        scale_width(config, 0.5)


def test_a_narrow_case_leaves_the_config_alone():
    cfg = tiny_config()
    before = copy.deepcopy(cfg.to_dict())
    SeveralTargetsCase(cfg, 'MTKT', 2, width=0.5)
    assert cfg.to_dict() == before
