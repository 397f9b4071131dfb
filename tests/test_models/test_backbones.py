import pytest
import torch
from torch import nn

from mmuda.models import DeepLabResNet, DeepLabVGG, DLV2Head
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def small_resnet(**kwargs):
    return DeepLabResNet(depth=18, base_channels=8, stem_channels=8, **kwargs)


def num_parameters(*modules):
    return sum(p.numel() for m in modules for p in m.parameters())


@pytest.fixture(scope='module')
def resnet101():
    with torch.device('meta'):
        return DeepLabResNet(out_indices=(2, 3))


@pytest.mark.parametrize(
    ('num_classes', 'expected'), [(19, 44_601_560), (16, 44_269_760)]
)
def test_parameter_count_of_published_network(
    resnet101, num_classes, expected
):
    with torch.device('meta'):
        heads = [DLV2Head(c, num_classes=num_classes) for c in (1024, 2048)]
    assert num_parameters(resnet101, *heads) == expected


def test_frozen_parameters_are_the_affine_ones(resnet101):
    frozen = [p for p in resnet101.parameters() if not p.requires_grad]
    assert sum(p.numel() for p in frozen) == 105_344


def test_tensors_that_train(resnet101):
    assert sum(p.requires_grad for p in resnet101.parameters()) == 104


@pytest.mark.parametrize(
    ('width', 'height', 'expected'),
    [
        (1280, 720, (91, 161)),
        (1280, 760, (96, 161)),
        (1024, 512, (65, 129)),
        (2048, 1024, (129, 257)),
    ],
)
def test_output_size(resnet101, width, height, expected):
    feats = resnet101(torch.empty(1, 3, height, width, device='meta'))
    assert [tuple(f.shape[1:]) for f in feats] == [
        (1024, *expected),
        (2048, *expected),
    ]


def test_stride_lies_on_first_convolution_of_block(resnet101):
    block = resnet101.layer2[0]
    assert (block.conv1.stride, block.conv2.stride) == ((2, 2), (1, 1))


def test_every_block_of_last_stage_has_dilation_four(resnet101):
    assert [b.conv2.dilation for b in resnet101.layer4] == [(4, 4)] * 3


def test_statistics_follow_batches_in_training():
    backbone = small_resnet()
    backbone.train()
    backbone(torch.ones(2, 3, 33, 33) + torch.randn(2, 3, 33, 33))
    assert int(backbone.bn1.num_batches_tracked) == 1


@pytest.mark.parametrize('depth', [18, 34])
def test_narrow_network_of_basic_blocks_runs(depth):
    backbone = DeepLabResNet(depth=depth, base_channels=32, out_indices=(3,))
    backbone.eval()
    (feats,) = backbone(torch.randn(1, 3, 65, 97))
    assert feats.shape == (1, 256, 9, 13)


def test_stage_blocks_replace_those_of_depth():
    backbone = small_resnet(stage_blocks=(1, 2, 1, 1))
    stages = [backbone.layer1, backbone.layer2, backbone.layer3]
    assert [len(stage) for stage in stages] == [1, 2, 1]


def test_stage_blocks_leave_other_networks_alone():
    small_resnet(stage_blocks=(1, 1, 1, 1))
    assert len(small_resnet().layer1) == 2


@pytest.mark.parametrize('stage_blocks', [(1, 1, 1), (1, 1, 1, 0)])
def test_wrong_stage_blocks_are_refused(stage_blocks):
    with pytest.raises(ConfigError, match='stage_blocks'):
        small_resnet(stage_blocks=stage_blocks)


def test_unknown_depth_is_refused():
    with pytest.raises(ConfigError, match='depth=77'):
        DeepLabResNet(depth=77)


def test_convolutions_start_from_small_normal():
    backbone = DeepLabResNet(depth=18, base_channels=32)
    backbone.init_weights()
    weights = [
        m.weight.flatten()
        for m in backbone.modules()
        if isinstance(m, nn.Conv2d)
    ]
    assert float(torch.cat(weights).std()) == pytest.approx(0.01, rel=0.02)


def test_last_norm_of_block_starts_at_one():
    backbone = small_resnet()
    backbone.init_weights()
    assert torch.equal(backbone.layer1[0].bn2.weight, torch.ones(8))


@pytest.fixture(scope='module')
def vgg():
    with torch.device('meta'):
        return DeepLabVGG()


def test_vgg_output_is_a_tuple_of_stride_eight(vgg):
    (feats,) = vgg(torch.empty(1, 3, 512, 1024, device='meta'))
    assert feats.shape == (1, 1024, 64, 128)


def test_vgg_parameter_count(vgg):
    # VGG-16's convolutions, fc6 (512 -> 1024, 3x3) and fc7 (1x1).
    assert num_parameters(vgg) == 14_714_688 + 4_719_616 + 1_049_600


def test_vgg_dilates_fifth_stage(vgg):
    dilated = [
        i
        for i, layer in enumerate(vgg.features)
        if isinstance(layer, nn.Conv2d) and layer.dilation == (2, 2)
    ]
    assert dilated == [24, 26, 28]


@pytest.mark.parametrize('name', ['DeepLabResNet', 'DeepLabVGG'])
def test_backbones_are_registered(name):
    assert MODELS.get(name).__name__ == name
