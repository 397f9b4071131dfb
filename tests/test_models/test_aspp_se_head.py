import pytest
import torch
import torch.nn.functional as F

from mmuda.models import ASPPSEHead
from mmuda.utils.errors import ConfigError

SMALL = dict(channels=8, num_groups=4, num_classes=3, in_index=1)
STAGES = dict(
    channels=8,
    num_groups=4,
    num_classes=3,
    in_index=(0, 1),
    input_transform='resize_concat',
)


@pytest.fixture
def head():
    torch.manual_seed(1)
    return ASPPSEHead(6, **SMALL)


@pytest.fixture
def feats():
    torch.manual_seed(0)
    return torch.randn(2, 5, 9, 13), torch.randn(2, 6, 5, 7)


def published(in_channels=2048):
    """The head at full size, without memory."""
    with torch.device('meta'):
        return ASPPSEHead(in_channels, num_classes=7)


def group_norm(x, norm):
    """Group norm written out."""
    n, c, h, w = x.shape
    groups = x.reshape(n, norm.num_groups, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, correction=0, keepdim=True)
    x = ((groups - mean) / (var + 1e-5).sqrt()).view(n, c, h, w)
    return x * norm.weight.view(1, c, 1, 1) + norm.bias.view(1, c, 1, 1)


def written_out(head, x):
    """Logits of the head, layer by layer, in evaluation."""
    outputs = []
    dilations = (1, 6, 12, 18, 24)
    for (conv, norm, _), dilation in zip(
        head.branches, dilations, strict=True
    ):
        padding = 0 if dilation == 1 else dilation
        y = F.conv2d(
            x, conv.weight, conv.bias, padding=padding, dilation=dilation
        )
        outputs.append(group_norm(y, norm).clamp(min=0))
    x = torch.cat(outputs, dim=1)
    squeeze, excite = head.se.conv1.conv, head.se.conv2.conv
    gate = x.mean(dim=(2, 3))
    gate = F.linear(gate, squeeze.weight.flatten(1), squeeze.bias).clamp(min=0)
    gate = F.linear(gate, excite.weight.flatten(1), excite.bias)
    x = x / (1 + (-gate).exp())[:, :, None, None]
    conv, norm = head.bottleneck
    x = group_norm(F.conv2d(x, conv.weight, conv.bias, padding=1), norm)
    return F.conv2d(x, head.conv_seg.weight)


@pytest.mark.parametrize(
    ('targets', 'parameters'),
    [(1, 22_560_336), (2, 41_958_992), (3, 61_357_648)],
)
def test_number_of_parameters(targets, parameters):
    """22.56 M, and 41.96 M and 61.36 M on the features of 2 and 3 targets."""
    head = published(2048 * targets)
    assert sum(p.numel() for p in head.parameters()) == parameters


def test_widths_of_branches():
    shapes = [tuple(branch[0].weight.shape) for branch in published().branches]
    assert shapes == [(256, 2048, 1, 1)] + [(256, 2048, 3, 3)] * 4


def test_widths_of_squeeze_and_excitation():
    se = published().se
    shapes = [tuple(c.conv.weight.shape[:2]) for c in (se.conv1, se.conv2)]
    assert shapes == [(80, 1280), (1280, 80)]


def test_groups_of_norms():
    head = published()
    norms = [branch[1] for branch in head.branches] + [head.bottleneck[1]]
    assert [norm.num_groups for norm in norms] == [32] * 6


def test_channels_are_dropped_before_the_classifier():
    head = published()
    assert isinstance(head.dropout, torch.nn.Dropout2d)
    assert head.dropout.p == 0.1


def test_parameter_names(head):
    branches = [
        f'branches.{i}.{part}.{kind}'
        for i in range(5)
        for part in (0, 1)
        for kind in ('weight', 'bias')
    ]
    rest = ('se.conv1.conv', 'se.conv2.conv', 'bottleneck.0', 'bottleneck.1')
    names = [f'{name}.{kind}' for name in rest for kind in ('weight', 'bias')]
    expected = {*branches, *names, 'conv_seg.weight'}
    assert set(head.state_dict()) == expected


@pytest.mark.parametrize('spread', [0.01, 1.0])
def test_logits_equal_those_written_out(head, feats, spread):
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
    head.eval()
    torch.testing.assert_close(
        head(feats), written_out(head, feats[1]), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize('size', [(41, 81), (5, 7), (1, 1)])
def test_logits_have_the_size_of_the_features(head, size):
    feats = [None, torch.randn(2, 6, *size)]
    assert head(feats).shape == (2, 3, *size)


def test_every_parameter_gets_a_gradient(head, feats):
    head(feats).square().sum().backward()
    silent = [
        name
        for name, parameter in head.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


def test_dropout_acts_in_training_only(feats):
    head = ASPPSEHead(6, dropout_ratio=0.5, **SMALL)
    head.eval()
    assert torch.equal(head(feats), head(feats))
    head.train()
    assert not torch.equal(head(feats), head(feats))


@pytest.mark.parametrize('align_corners', [False, True])
def test_stages_are_resized_to_the_first_and_concatenated(
    feats, align_corners
):
    head = ASPPSEHead([5, 6], align_corners=align_corners, **STAGES).eval()
    resized = F.interpolate(
        feats[1], (9, 13), mode='bilinear', align_corners=align_corners
    )
    stacked = torch.cat([feats[0], resized], dim=1)
    torch.testing.assert_close(
        head(feats), written_out(head, stacked), atol=1e-5, rtol=1e-4
    )


def test_stages_of_a_segformer_have_1024_channels():
    with torch.device('meta'):
        head = ASPPSEHead(
            [64, 128, 320, 512],
            num_classes=7,
            in_index=[0, 1, 2, 3],
            input_transform='resize_concat',
        )
    assert head.branches[0][0].in_channels == 1024


def test_dilations_set_the_branches():
    head = ASPPSEHead(6, dilations=(2, 4), **SMALL)
    dilations = [branch[0].dilation for branch in head.branches]
    assert dilations == [(1, 1), (2, 2), (4, 4)]
    assert head.bottleneck[0].in_channels == 24


def test_ratio_sets_the_width_of_the_squeeze():
    head = ASPPSEHead(6, channels=64, num_classes=3, num_groups=4, se_ratio=4)
    assert head.se.conv1.conv.out_channels == 80


def test_channels_must_be_divisible_by_groups():
    with pytest.raises(ConfigError, match='channels=100 .* num_groups=32'):
        ASPPSEHead(6, channels=100, num_classes=3)


@pytest.fixture(scope='module')
def fresh_head():
    torch.manual_seed(0)
    head = ASPPSEHead(64, num_classes=19)
    head.init_weights()
    return head


@pytest.mark.parametrize(
    'name',
    ['branches.0.0', 'branches.4.0', 'bottleneck.0', 'conv_seg'],
)
def test_weights_start_from_small_normal(fresh_head, name):
    std = fresh_head.get_submodule(name).weight.std().item()
    assert std == pytest.approx(0.01, rel=0.05)


def test_squeeze_and_excitation_start_from_the_framework_default(fresh_head):
    largest = fresh_head.se.conv1.conv.weight.abs().max().item()
    assert largest == pytest.approx(1280**-0.5, rel=0.01)


def test_init_cfg_overrides_normal():
    init_cfg = dict(type='Constant', layer='Conv2d', val=2.0)
    head = ASPPSEHead(6, init_cfg=init_cfg, **SMALL)
    head.init_weights()
    weight = head.bottleneck[0].weight
    assert torch.equal(weight, torch.full_like(weight, 2.0))


def test_prediction_has_image_size(head, feats):
    logits = head.predict(feats, [dict(img_shape=(33, 47))] * 2, None)
    assert logits.shape == (2, 3, 33, 47)
