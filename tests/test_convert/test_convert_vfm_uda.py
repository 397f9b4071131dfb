"""Checkpoints of VFM-UDA, DINOv2 and DINOv3."""

import copy

import pytest
import torch
from tiny_transformers import ARCH, transformer_model, vit_config
from tools_in_process import load_tool

from mmuda.convert.from_dino import backbone_of, resized_backbone
from mmuda.convert.from_vfm_uda import (
    segmentor_from_published,
    segmentor_to_published,
    vfm_uda_layout,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError

IMAGES = torch.randn(2, 3, 42, 28, generator=torch.Generator().manual_seed(1))
# Of one block; written down from the published definitions.
AFFINE = ('norm1', 'attn.qkv', 'attn.proj', 'norm2', 'mlp.fc1', 'mlp.fc2')
ENCODER = [
    *('cls_token', 'pos_embed', 'mask_token', 'norm.weight', 'norm.bias'),
    *(f'patch_embed.proj.{kind}' for kind in ('weight', 'bias')),
    *(f'blocks.0.{n}.{kind}' for n in AFFINE for kind in ('weight', 'bias')),
    *('blocks.0.ls1.gamma', 'blocks.0.ls2.gamma'),
]
HEAD = [
    'out.weight',
    *(f'upscale.{i}.weight' for i in (0, 1, 3, 4, 5, 6)),
    *(f'upscale.{i}.bias' for i in (1, 4, 6)),
]
KINDS = {
    'v2': dict(version=2),
    'v2_registers': dict(version=2, num_registers=4),
    'v3': dict(version=3),
}


def network(kind='v2', **kwargs):
    torch.manual_seed(2)
    vit = MODELS.build(vit_config(**KINDS[kind], **kwargs))
    for value in vit.parameters():
        value.data = 0.1 * torch.randn(value.shape)
    return vit.eval()


@pytest.fixture
def model():
    """A method, with a teacher of other weights than the segmentor."""
    model = transformer_model('SourceOnly', teacher=True)
    for value in model.parameters():
        value.data += 0.05 * torch.randn(value.shape)
    return model.eval()


@pytest.fixture
def published(model):
    return segmentor_to_published(model.state_dict())


def test_published_names():
    one = transformer_model(
        'SourceOnly',
        backbone=vit_config(arch=ARCH | dict(num_layers=1)),
        teacher=True,
    )
    names = [f'encoder.{n}' for n in ENCODER] + HEAD
    names.append('token_masking.mask_token')
    assert {*segmentor_to_published(one.state_dict())} == {
        f'{network}.{name}'
        for network in ('network', 'network_ema')
        for name in names
    }


def test_there_and_back(model, published):
    own = segmentor_from_published(published)
    stored = model.state_dict()
    assert own.keys() == stored.keys()
    assert all(value.equal(stored[name]) for name, value in own.items())
    other = transformer_model('SourceOnly', teacher=True, seed=3).eval()
    other.load_state_dict(own)
    for name in ('segmentor', 'teacher'):
        expected = getattr(model, name)(IMAGES)
        assert getattr(other, name)(IMAGES).equal(expected)


def test_without_a_teacher(published):
    alone = {n: v for n, v in published.items() if '_ema.' not in n}
    own = segmentor_from_published(alone)
    assert {name.split('.')[0] for name in own} == {'segmentor'}


def test_sizes_of_the_published_network():
    with torch.device('meta'):
        model = transformer_model(
            'SourceOnly',
            segmentor=dict(
                type='UDAEncoderDecoder',
                backbone=dict(type='DINOVisionTransformer'),
                decode_head=dict(
                    type='VFMHead', in_channels=768, num_classes=19
                ),
            ),
            initialised=False,
        )
    state = segmentor_to_published(model.state_dict())
    layout = vfm_uda_layout(
        {n: v for n, v in state.items() if 'token_masking' not in n}
    )
    assert layout.shapes['network.encoder.pos_embed'] == (1, 1370, 768)
    assert len(layout.shapes) == 3 + 2 + 12 * 14 + 2 + len(HEAD)


def changed(published, name, value):
    state = dict(published)
    if value is None:
        del state[name]
    else:
        state[name] = value
    return state


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('network.upscale.3.weight', None, 'missing: network.upscale.3'),
        ('network.more', torch.zeros(1), 'unknown: network.more'),
        ('network.encoder.norm.bias', torch.zeros(7), 'norm.bias has the sha'),
        (
            'network.token_masking.mask_token',
            torch.ones(1, 24),
            'is not the mask token of the encoder',
        ),
    ],
)
def test_other_networks_are_refused(published, name, value, message):
    with pytest.raises(CheckpointError, match=message):
        segmentor_from_published(changed(published, name, value))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('form', ['hub', 'training'])
def test_backbones_of_dino(kind, form):
    stored = network(kind).state_dict()
    file = copy.copy(stored)
    if form == 'training':
        file = {
            'teacher.backbone.' + n.replace('blocks.', 'blocks.0.'): v
            for n, v in stored.items()
        }
        file['teacher.dino_head.mlp.0.weight'] = torch.zeros(2, 2)
        file |= {f'student.backbone.{n}': 0 * v for n, v in stored.items()}
    own = backbone_of(file, 'file.pth')
    assert own.keys() == stored.keys()
    assert all(value.equal(stored[name]) for name, value in own.items())


@pytest.mark.parametrize('name', ['w12', 'w1'])
def test_gated_perceptrons_are_refused(name):
    file = {
        n.replace('fc1', name): v for n, v in network().state_dict().items()
    }
    with pytest.raises(CheckpointError, match='gated perceptrons') as error:
        backbone_of(file, 'vitg14.pth')
    assert '\n' not in str(error.value)


def test_resized_patches():
    stored = network().state_dict()
    for name in ('patch_embed.proj.weight', 'pos_embed'):
        stored[name] = torch.ones_like(stored[name])
    own = resized_backbone(stored, 16, 112)
    assert own['patch_embed.proj.weight'].shape == (24, 3, 16, 16)
    assert own['pos_embed'].shape == (1, 50, 24)
    for name in ('patch_embed.proj.weight', 'pos_embed'):
        torch.testing.assert_close(own[name], torch.ones_like(own[name]))
    vit = MODELS.build(vit_config(patch_size=16) | dict(pretrain_size=112))
    vit.load_state_dict(own)
    same = resized_backbone(stored, 14, 56)
    assert all(value.equal(stored[n]) for n, value in same.items())


def tool(*args):
    tool = load_tool('model_converters/vfm_uda.py')
    tool['main'](tool['parse_args'](args))


def test_tool(model, published, tmp_path):
    first, second, third = (str(tmp_path / f'{i}.pth') for i in range(3))
    torch.save(dict(state_dict=published), first)
    tool(first, second)
    written = torch.load(second)
    assert written['state_dict'].keys() == model.state_dict().keys()
    tool(second, third, '--reverse')
    back = torch.load(third)['state_dict']
    assert back.keys() == published.keys()
    assert all(value.equal(published[n]) for n, value in back.items())
    with pytest.raises(ConfigError, match='--patch-size resizes files of D'):
        tool(first, third, '--patch-size', '16')


def test_tool_on_dino(tmp_path):
    first, second = (str(tmp_path / f'{i}.pth') for i in range(2))
    torch.save(dict(network().state_dict()), first)
    tool(first, second, '--patch-size', '16', '--image-size', '64')
    init = dict(type='Pretrained', checkpoint=second)
    vit = MODELS.build(
        vit_config(patch_size=16, init_cfg=init) | dict(pretrain_size=64)
    )
    vit.init_weights()
    assert vit.pos_embed.equal(torch.load(second)['pos_embed'])
