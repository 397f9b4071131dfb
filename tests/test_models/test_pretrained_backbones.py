import pytest
import torch
from mmengine.model import BaseModule

from mmuda.models import DeepLabResNet, DeepLabVGG
from mmuda.utils.errors import CheckpointError


def small_resnet(**kwargs):
    return DeepLabResNet(depth=18, base_channels=8, stem_channels=8, **kwargs)


def pretrained(path):
    return dict(type='Pretrained', checkpoint=str(path))


def save_imagenet_file(path, backbone, prefix='Scale.', **changes):
    """Write weights as the published ImageNet file names them."""
    state_dict = {
        f'{prefix}{name}': tensor + 1
        for name, tensor in backbone.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    state_dict[f'{prefix}layer5.conv2d_list.0.weight'] = torch.zeros(2, 3)
    for name, tensor in changes.items():
        state_dict[prefix + name.replace('_', '.')] = tensor
    torch.save(state_dict, path)
    return state_dict


@pytest.mark.parametrize('prefix', ['Scale.', 'module.Scale.', ''])
def test_imagenet_file_is_loaded(tmp_path, prefix):
    file = tmp_path / 'imagenet.pth'
    backbone = small_resnet(init_cfg=pretrained(file))
    saved = save_imagenet_file(file, backbone, prefix)
    backbone.init_weights()
    loaded = backbone.state_dict()
    wrong = [
        name
        for name in loaded
        if not name.endswith('num_batches_tracked')
        and not torch.equal(loaded[name], saved[prefix + name])
    ]
    assert wrong == []


def test_imagenet_file_is_loaded_through_parent(tmp_path):
    file = tmp_path / 'imagenet.pth'
    parent = BaseModule()
    parent.backbone = small_resnet(init_cfg=pretrained(file))
    saved = save_imagenet_file(file, parent.backbone)
    parent.init_weights()
    assert torch.equal(
        parent.backbone.conv1.weight, saved['Scale.conv1.weight']
    )


def test_prefix_selects_backbone_of_a_segmentor_file(tmp_path):
    file = tmp_path / 'segmentor.pth'
    source = small_resnet()
    state_dict = {f'backbone.{k}': v for k, v in source.state_dict().items()}
    state_dict['decode_head.convs.0.bias'] = torch.zeros(2)
    torch.save(dict(state_dict=state_dict), file)
    backbone = small_resnet(
        init_cfg=dict(**pretrained(file), prefix='backbone.')
    )
    backbone.init_weights()
    assert torch.equal(backbone.conv1.weight, source.conv1.weight)


def test_file_of_smaller_network_is_refused(tmp_path):
    file = tmp_path / 'resnet18.pth'
    save_imagenet_file(file, small_resnet())
    backbone = DeepLabResNet(
        depth=34,
        base_channels=8,
        stem_channels=8,
        init_cfg=pretrained(file),
    )
    with pytest.raises(CheckpointError, match='missing .layer1.2.conv1'):
        backbone.init_weights()


def test_file_with_unknown_tensor_is_refused(tmp_path):
    file = tmp_path / 'more.pth'
    backbone = small_resnet(init_cfg=pretrained(file))
    save_imagenet_file(file, backbone, layer9_weight=torch.zeros(1))
    with pytest.raises(CheckpointError, match='another network .layer9.w'):
        backbone.init_weights()


def test_file_with_other_shape_is_refused(tmp_path):
    file = tmp_path / 'wide.pth'
    backbone = small_resnet(init_cfg=pretrained(file))
    save_imagenet_file(file, backbone, conv1_weight=torch.zeros(64, 3, 7, 7))
    with pytest.raises(CheckpointError, match='another shape .conv1.weight'):
        backbone.init_weights()


def test_missing_file_is_named(tmp_path):
    backbone = small_resnet(init_cfg=pretrained(tmp_path / 'no.pth'))
    with pytest.raises(CheckpointError, match=r'no\.pth'):
        backbone.init_weights()


def test_legacy_pretrained_argument_must_cover_too(tmp_path):
    file = tmp_path / 'empty.pth'
    torch.save({'Scale.conv1.weight': torch.zeros(8, 3, 7, 7)}, file)
    with pytest.warns(UserWarning, match='pretrained'):
        backbone = small_resnet(pretrained=str(file))
    with pytest.raises(CheckpointError, match='missing'):
        backbone.init_weights()


def save_vgg_file(path, **extra):
    with torch.random.fork_rng():
        source = DeepLabVGG(fc_channels=4)
    state_dict = {
        name: tensor
        for name, tensor in source.state_dict().items()
        if name.startswith('features.')
    }
    state_dict['classifier.0.weight'] = torch.zeros(5, 7)
    torch.save({**state_dict, **extra}, path)
    return state_dict


def build_vgg(path):
    return DeepLabVGG(fc_channels=4, init_cfg=pretrained(path))


def test_vgg_loads_torchvision_names(tmp_path):
    saved = save_vgg_file(tmp_path / 'vgg.pth')
    backbone = build_vgg(tmp_path / 'vgg.pth')
    backbone.init_weights()
    assert torch.equal(
        backbone.features[28].weight, saved['features.28.weight']
    )


def test_vgg_draws_fc6_when_file_has_only_features(tmp_path):
    save_vgg_file(tmp_path / 'vgg.pth')
    backbone = build_vgg(tmp_path / 'vgg.pth')
    backbone.init_weights()
    # Kaiming with fan_out = 4 * 9.
    expected = (2 / 36) ** 0.5
    assert float(backbone.fc6.weight.std()) == pytest.approx(
        expected, rel=0.05
    )


def test_vgg_file_without_features_is_refused(tmp_path):
    file = tmp_path / 'vgg.pth'
    torch.save({'classifier.0.weight': torch.zeros(5, 7)}, file)
    with pytest.raises(CheckpointError, match=r'features\.0\.weight'):
        build_vgg(file).init_weights()
