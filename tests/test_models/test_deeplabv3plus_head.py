import pytest
import torch
from torch import nn

from mmuda.models.decode_heads import DeepLabV3PlusHead
from mmuda.models.decode_heads.deeplabv3plus_head import window_means

MAPS = [torch.zeros(1, 4, 8, 12), torch.zeros(1, 16, 2, 3)]


def head(**kwargs):
    return DeepLabV3PlusHead(
        **dict(
            in_channels=16,
            channels=8,
            in_index=1,
            c1_in_channels=4,
            c1_channels=3,
            num_classes=5,
            norm_cfg=dict(type='BN'),
        )
        | kwargs
    )


def maps(count=2):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(count, *values.shape[1:], generator=generator)
        for values in MAPS
    ]


def test_logits_have_the_size_of_the_first_map():
    assert head()(maps()).shape == (2, 5, 8, 12)


def test_whole_map_is_averaged():
    values = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert window_means(values).tolist() == [[[[5.5]]]]


@pytest.mark.parametrize(
    ('window', 'expected'),
    [
        ((3, 4), [[5.5]]),
        ((3, 2), [[4.5, 5.5, 6.5]]),
        ((2, 9), [[3.5], [7.5]]),  # wider than the map
    ],
)
def test_windows_are_averaged(window, expected):
    values = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert window_means(values, window)[0, 0].tolist() == expected


def test_image_pooling_has_a_bias_and_no_norm():
    names = set(head().image_pool.state_dict())
    assert names == {'conv.weight', 'conv.bias'}


def test_one_image_trains():
    """Pooled features have no norm, so one value a channel is enough."""
    model = head().train()
    loss = model(maps(1)).square().sum()
    loss.backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert missing == []


def test_dropout_is_of_values_behind_the_projection():
    model = head(dropout_ratio=0.5)
    assert model.dropout is None
    assert isinstance(model.projection_dropout, nn.Dropout)
    assert model.projection_dropout.p == 0.5


def test_initial_weights_are_detectron2s():
    torch.manual_seed(0)
    model = head(in_channels=64, channels=64)
    model.init_weights()
    weight = model.bottleneck.conv.weight
    # uniform in +-sqrt(3 / fan_in)
    bound = (3 / (5 * 64)) ** 0.5
    assert weight.abs().max().item() == pytest.approx(bound, rel=1e-2)
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=2e-2)
    assert model.conv_seg.weight.std().item() == pytest.approx(1e-3, rel=0.1)
    assert model.image_pool.conv.bias.abs().max() == 0


def test_config_may_set_other_initial_weights():
    model = head(init_cfg=dict(type='Constant', layer='Conv2d', val=0.25))
    model.init_weights()
    assert (model.conv_seg.weight == 0.25).all()
