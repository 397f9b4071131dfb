import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmuda.models import (
    CoaSTDiscriminator,
    FCDiscriminator,
    MultiLevelDiscriminator,
)
from mmuda.utils.errors import ConfigError


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope='module')
def discriminator():
    with torch.device('meta'):
        return FCDiscriminator(19)


def test_parameter_count_of_published_discriminator(discriminator):
    assert num_parameters(discriminator) == 2_781_121


@pytest.mark.parametrize(
    ('size', 'expected'),
    [((720, 1280), (22, 40)), ((512, 1024), (16, 32)), ((32, 32), (1, 1))],
)
def test_output_size(discriminator, size, expected):
    logits = discriminator(torch.empty(1, 19, *size, device='meta'))
    assert logits.shape == (1, 1, *expected)


def test_parameter_names(discriminator):
    assert list(discriminator.state_dict()) == [
        f'layers.{i}.{kind}'
        for i in (0, 2, 4, 6, 8)
        for kind in ('weight', 'bias')
    ]


def test_slopes_of_leaky_relu(discriminator):
    slopes = [
        layer.negative_slope
        for layer in discriminator.layers
        if isinstance(layer, nn.LeakyReLU)
    ]
    assert slopes == [0.2] * 4


def test_framework_default_weights_stay():
    discriminator = FCDiscriminator(3, base_channels=4)
    before = discriminator.layers[0].weight.clone()
    discriminator.init_weights()
    assert torch.equal(discriminator.layers[0].weight, before)


def test_small_map_is_refused(discriminator):
    with pytest.raises(ConfigError, match=r'\(31, 64\)'):
        discriminator(torch.empty(1, 19, 31, 64, device='meta'))


@pytest.fixture
def multi_level():
    return MultiLevelDiscriminator(['decode', 'aux'], 3, base_channels=4)


@pytest.fixture
def maps():
    return {
        'decode': torch.randn(1, 3, 64, 96),
        'aux': torch.randn(1, 3, 32, 32),
    }


def test_each_level_has_its_own_discriminator(multi_level, maps):
    logits = multi_level(maps)
    expected = {
        level: multi_level.levels[level](maps[level]) for level in maps
    }
    torch.testing.assert_close(logits, expected)


def test_levels_share_no_parameter(multi_level):
    one = num_parameters(FCDiscriminator(3, base_channels=4))
    assert num_parameters(multi_level) == 2 * one


def test_names_of_levels(multi_level):
    names = {name.rsplit('.', 2)[0] for name in multi_level.state_dict()}
    assert names == {'levels.decode.layers', 'levels.aux.layers'}


@pytest.mark.parametrize('levels', [['decode'], ['decode', 'aux', 'third']])
def test_maps_of_other_levels_are_refused(multi_level, maps, levels):
    wrong = dict.fromkeys(levels, maps['aux'])
    with pytest.raises(ConfigError, match='levels'):
        multi_level(wrong)


@pytest.mark.parametrize('levels', [[], 'decode', ['aux', 'aux']])
def test_wrong_levels_are_refused(levels):
    with pytest.raises(ConfigError, match='levels='):
        MultiLevelDiscriminator(levels, 3)


@pytest.mark.parametrize(
    ('classes', 'count'), [(7, 1_553_793), (19, 1_560_705)]
)
def test_coast_discriminator_has_its_published_size(classes, count):
    judge = CoaSTDiscriminator(classes)
    assert sum(p.numel() for p in judge.parameters()) == count


def test_coast_discriminator_halves_four_times():
    judge = CoaSTDiscriminator(3, base_channels=2)
    assert judge(torch.rand(1, 3, 320, 640)).shape == (1, 1, 20, 40)


def test_coast_discriminator_in_plain_torch():
    judge = CoaSTDiscriminator(3, base_channels=2)
    convs = [m for m in judge.layers if isinstance(m, torch.nn.Conv2d)]
    x = torch.rand(1, 3, 33, 17)
    expected = x
    for conv in convs[:3]:
        expected = conv(expected).relu()
    expected = convs[4](F.leaky_relu(convs[3](expected), 0.2))
    torch.testing.assert_close(judge(x), expected)


def test_levels_may_be_of_another_class():
    judge = MultiLevelDiscriminator(
        ['decode'], 3, base_channels=2, level_type='CoaSTDiscriminator'
    )
    assert isinstance(judge.levels['decode'], CoaSTDiscriminator)
    assert judge.min_side == 1
