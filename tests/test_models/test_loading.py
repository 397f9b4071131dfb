"""Checkpoints that fit, that are plain mmseg's, and that do not fit."""

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from tiny_models import model_config, segmentor_config

from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError


def build(method='AdvEnt', seed=0, **kwargs):
    torch.manual_seed(seed)
    model = MODELS.build(model_config(method, **kwargs))
    model.init_weights()
    return model


def weights(model):
    return model.segmentor.state_dict()


def assert_same_segmentor(a, b):
    for name, value in weights(a).items():
        assert torch.equal(value, weights(b)[name]), name


def test_own_checkpoint_round_trip():
    trained, fresh = build(seed=1), build(seed=2)
    load_state_dict(fresh, trained.state_dict())
    assert_same_segmentor(trained, fresh)


def test_source_only_checkpoint_starts_advent():
    trained, fresh = build('SourceOnly', seed=1), build('AdvEnt', seed=2)
    load_state_dict(fresh, trained.state_dict())
    assert_same_segmentor(trained, fresh)


def test_plain_mmseg_checkpoint_goes_into_the_segmentor():
    fresh = build(seed=2)
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    load_state_dict(fresh, plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(value, weights(fresh)[name]), name


def test_torch_load_state_dict_accepts_a_plain_checkpoint_too():
    fresh = build('SourceOnly', seed=2)
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    fresh.load_state_dict(plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(value, weights(fresh)[name]), name


def test_missing_tensor_is_an_error():
    state = build().state_dict()
    del state['segmentor.decode_head.conv_seg.weight']
    with pytest.raises(CheckpointError, match='conv_seg.weight'):
        load_state_dict(build(), state)


def test_keys_of_a_wrapped_child_are_an_error_not_random_weights():
    state = {
        name.replace('segmentor.', 'segmentor.module.'): value
        for name, value in build().state_dict().items()
    }
    with pytest.raises(CheckpointError, match='tensors are missing'):
        load_state_dict(build(), state)


def test_another_class_count_is_an_error():
    state = build().state_dict()
    state['segmentor.decode_head.conv_seg.weight'] = torch.zeros(7, 8, 1, 1)
    with pytest.raises(CheckpointError, match=r'\(7, 8, 1, 1\) instead of'):
        load_state_dict(build(), state)


def test_another_architecture_is_an_error():
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    with pytest.raises(CheckpointError, match='tensors are missing'):
        load_state_dict(build(), plain.backbone.state_dict())


def deeper_backbone():
    config = segmentor_config()
    config['backbone']['depth'] = 34
    return config


def test_a_deeper_network_does_not_pass_for_its_first_blocks():
    state = build(segmentor=deeper_backbone()).state_dict()
    with pytest.raises(CheckpointError, match='belong to another network'):
        load_state_dict(build(), state)


def test_auxiliary_head_may_be_left_out():
    trained, single = build('SourceOnly'), build('SourceOnly', two_heads=False)
    load_state_dict(single, trained.state_dict())
    assert torch.equal(
        single.segmentor.decode_head.conv_seg.weight,
        trained.segmentor.decode_head.conv_seg.weight,
    )


def test_parts_that_are_not_stored_keep_their_values():
    trained, fresh = build('SourceOnly', seed=1), build('AdvEnt', seed=2)
    before = {
        k: v.clone() for k, v in fresh.discriminator.state_dict().items()
    }
    fresh.load_state_dict(trained.state_dict())
    for name, value in fresh.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_parts_of_another_method_are_left_out():
    trained, fresh = build('AdvEnt', seed=1), build('SourceOnly', seed=2)
    fresh.load_state_dict(trained.state_dict())
    assert_same_segmentor(trained, fresh)
