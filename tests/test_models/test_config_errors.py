"""Configs of models that can't work are refused when they are built."""

import math

import pytest
from tiny_models import model_config, segmentor_config

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def test_discriminator_of_another_class_count():
    config = model_config('AdvEnt')
    config['discriminator']['in_channels'] = 7
    with pytest.raises(ConfigError, match='in_channels is 7 .* 5 classes'):
        MODELS.build(config)


def test_auxiliary_head_of_another_class_count():
    config = segmentor_config()
    config['auxiliary_head']['num_classes'] = 7
    with pytest.raises(ConfigError, match="head 'aux' has 7 classes"):
        MODELS.build(config)


@pytest.mark.parametrize('weight', [0, -1, math.nan, math.inf, '1'])
@pytest.mark.parametrize('method', ['SelfTraining', 'CoTraining'])
def test_weight_by_which_the_target_teaches_nothing(method, weight):
    config = model_config(method, pseudo_label_weight=weight)
    with pytest.raises(ConfigError, match='SourceOnly trains without'):
        MODELS.build(config)


def test_unknown_key_of_test_cfg():
    config = segmentor_config() | dict(test_cfg=dict(mode='whole', once=1))
    with pytest.raises(ConfigError, match="unknown key 'once'"):
        MODELS.build(config)


def test_segmentor_without_logits_of_all_heads():
    config = model_config('SourceOnly')
    config['segmentor']['type'] = 'EncoderDecoder'
    with pytest.raises(ConfigError, match='UDAEncoderDecoder'):
        MODELS.build(config)


@pytest.mark.parametrize(
    'kind', ['SegDataPreProcessor', 'ImgDataPreprocessor']
)
def test_preprocessor_that_knows_no_domains(kind):
    config = model_config('MinEnt', data_preprocessor=dict(type=kind))
    with pytest.raises(ConfigError, match=f"'{kind}' does not know domains"):
        MODELS.build(config)


def test_no_preprocessor_at_all():
    model = MODELS.build(model_config('MinEnt', data_preprocessor=None))
    with pytest.raises(ConfigError, match="use 'DomainDataPreprocessor'"):
        model.train_step({}, None)
