"""The converter of DAFormer, HRDA and MIC, run on files."""

import runpy
from pathlib import Path

import pytest
import torch
from modern_goldens import starting_with
from test_convert_daformer import (
    DAFORMER,
    counted,
    daformer,
    encoder,
    hrda,
    prefixed,
)
from tiny_models import model_config

from mmuda.convert.from_segformer import backbone_from_published
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'daformer.py'
META = dict(iter=40000, CLASSES=['road'], PALETTE=[[1, 2, 3]])


def run(*args):
    tool = runpy.run_path(str(TOOL))
    tool['main'](tool['parse_args']([*map(str, args)]))


def load(path):
    return torch.load(path, weights_only=True)


def checkpoint(network=daformer):
    """What the published code saves."""
    weights = counted(network())
    return dict(
        meta=META | dict(env_info='sys', time='today'),
        optimizer=dict(state={0: dict(step=3)}, param_groups=[dict(lr=0.1)]),
        state_dict=prefixed('model.', weights)
        | prefixed('ema_model.', weights)
        | prefixed('imnet_model.', weights),
    )


@pytest.fixture
def published(tmp_path):
    torch.save(checkpoint(), tmp_path / 'latest.pth')
    return tmp_path / 'latest.pth'


def test_method_loads_what_was_converted(published, tmp_path):
    run(published, tmp_path / 'own.pth')
    segmentor = dict(DAFORMER, type='UDAEncoderDecoder')
    model = MODELS.build(
        model_config('SourceOnly', segmentor=segmentor, teacher=True)
    ).double()
    own = load(tmp_path / 'own.pth')['state_dict']
    assert {name.split('.')[0] for name in own} == {'segmentor', 'teacher'}
    model.load_state_dict(own)


def test_number_of_classes_names_them(published, tmp_path):
    run(published, tmp_path / 'own.pth')
    meta = load(tmp_path / 'own.pth')['meta']
    assert meta['dataset_meta']['classes'][18] == 'bicycle'
    assert meta['published'] == META


@pytest.mark.parametrize('network', [daformer, hrda])
def test_both_directions_give_the_published_networks(tmp_path, network):
    saved = checkpoint(network)
    torch.save(saved, tmp_path / 'latest.pth')
    run(tmp_path / 'latest.pth', tmp_path / 'own.pth')
    run(tmp_path / 'own.pth', tmp_path / 'back.pth', '--reverse')
    back = load(tmp_path / 'back.pth')
    assert back['meta'] == META
    wanted = {
        name: tensor
        for name, tensor in saved['state_dict'].items()
        if not name.startswith('imnet_model.')
    }
    torch.testing.assert_close(back['state_dict'], wanted, rtol=0, atol=0)


def test_weights_of_imagenet_start_a_backbone(tmp_path):
    torch.save(encoder() | {'head.bias': torch.ones(3)}, tmp_path / 'mit.pth')
    run(tmp_path / 'mit.pth', tmp_path / 'own.pth', '--backbone')
    config = dict(
        DAFORMER['backbone'],
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'own.pth')),
    )
    backbone = MODELS.build(config).double()
    backbone.init_weights()
    expected = backbone_from_published(encoder())
    torch.testing.assert_close(
        dict(backbone.state_dict()), expected, rtol=0, atol=0
    )


def test_encoder_of_the_feature_distance_is_taken_out(published, tmp_path):
    run(published, tmp_path / 'own.pth', '--backbone')
    own = load(tmp_path / 'own.pth')['state_dict']
    expected = backbone_from_published(encoder())
    torch.testing.assert_close(own, expected, rtol=0, atol=0)


def test_parts_that_are_left_out_are_told(tmp_path, capsys):
    saved = checkpoint()
    saved['state_dict']['model_D.weight'] = torch.ones(1)
    torch.save(saved, tmp_path / 'latest.pth')
    run(tmp_path / 'latest.pth', tmp_path / 'own.pth')
    assert 'Left out: model_D\n' in capsys.readouterr().out


def test_another_network_writes_nothing(tmp_path):
    weights = starting_with(checkpoint()['state_dict'], 'model.')
    del weights['decode_head.conv_seg.weight']
    torch.save(prefixed('model.', weights), tmp_path / 'latest.pth')
    with pytest.raises(CheckpointError, match=r'latest\.pth .* missing'):
        run(tmp_path / 'latest.pth', tmp_path / 'own.pth')
    assert not (tmp_path / 'own.pth').exists()
