"""What takes the place of layers computes the same."""

import pytest
import torch
from exported_networks import ANY_SIZE, FIXED_SIZE
from mmcv.cnn.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from tiny_transformers import vit_config
from torch import nn

from mmuda.export.graph_layers import (
    attention,
    fitted,
    fixed_by,
    mean_of_map,
    padded_convolution,
    positions,
)
from mmuda.models.decode_heads.deeplabv3plus_head import window_means
from mmuda.registry import MODELS


@pytest.mark.parametrize('registers', [0, 2])
@pytest.mark.parametrize('size', [(4, 4), (4, 5), (9, 3), (1, 17), (2, 2)])
def test_positions(registers, size):
    torch.manual_seed(0)
    vit = MODELS.build(vit_config(num_registers=registers))
    vit.pos_embed.data.normal_()
    vit.double()
    torch.testing.assert_close(positions(vit, 4, size), vit.positions(size))


@pytest.mark.parametrize('scale', [1, 1.1, 0.875])
@pytest.mark.parametrize('size', [(56, 70), (61, 83), (140, 33)])
def test_images_of_whole_patches(scale, size):
    vit = MODELS.build(vit_config(input_scale=scale))
    images = torch.rand(2, 3, *size)
    assert torch.equal(fitted(vit, images), vit.fitted(images))


@pytest.mark.parametrize('kernel', [3, 5])
@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize('stride', [1, 2, 3])
def test_convolution_that_pads_as_tensorflow(kernel, dilation, stride):
    conv = Conv2dAdaptivePadding(
        2, 3, kernel, stride=stride, dilation=dilation
    )
    for size in ((12, 13), (13, 12), (14, 17)):
        maps = torch.rand(2, 2, *size)
        assert torch.equal(padded_convolution(conv, maps), conv(maps))


@pytest.mark.parametrize('batch_first', [False, True])
@pytest.mark.parametrize('bias', [False, True])
def test_attention(batch_first, bias):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, bias=bias, batch_first=batch_first)
    layer.double().eval()
    for value in layer.parameters():
        value.data.normal_()
    # 5 images of 4 and 7 tokens
    query, key = torch.rand(5, 4, 8).double(), torch.rand(5, 7, 8).double()
    if not batch_first:
        query, key = query.transpose(0, 1), key.transpose(0, 1)
    expected = layer(query, key, 2 * key)[0]
    found = attention(layer, query, key, 2 * key)[0]
    torch.testing.assert_close(found, expected)


def test_mean_of_a_whole_map():
    maps = torch.rand(2, 3, 7, 5)
    torch.testing.assert_close(mean_of_map(maps), window_means(maps))


@pytest.mark.parametrize('name', ANY_SIZE)
def test_images_of_any_size(name):
    assert fixed_by(MODELS.build(ANY_SIZE[name])) is None


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('hrda', 'HRDAEncoderDecoder sees as many detail crops'),
        ('deeplabv3plus_windows', r'pool_size=\(3, 3\)'),
        ('psp', r'adaptive pooling to \(2,\)'),
    ],
)
def test_why_a_size_is_fixed(name, reason):
    network = MODELS.build(FIXED_SIZE[name])
    assert reason.replace('\\', '') in fixed_by(network)


def test_adaptive_pooling_is_no_obstacle_where_it_is_an_operator():
    network = MODELS.build(FIXED_SIZE['psp'])
    assert fixed_by(network, pools_any_size=True) is None


def test_a_scale_that_integers_do_not_give():
    # 0.29 * 1400 is 405.99999999999994
    vit = MODELS.build(vit_config(input_scale=0.29))
    assert 'input_scale=0.29' in fixed_by(vit)
