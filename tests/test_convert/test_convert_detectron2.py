from pathlib import Path

import detectron2_network as plain
import published_networks
import pytest
import torch
from mmengine.config import Config

from mmuda.convert.from_detectron2 import (
    VOID_BIAS,
    backbone_from_published,
    segmentor_from_published,
    segmentor_layout,
    segmentor_to_published,
)
from mmuda.models import UDAEncoderDecoder
from mmuda.registry import MODELS

CONFIG = (
    Path(__file__).parents[2]
    / 'configs/_base_/networks/deeplabv3plus_detectron2_r101.py'
)
PREDICTOR = 'sem_seg_head.predictor'
CLASSES = plain.OUTPUTS - 1


def backbone_config(blocks=plain.BLOCKS, stem=plain.STEM, width=plain.WIDTH):
    return dict(
        type='mmuda.DeepLabResNet',
        depth=101,
        stage_blocks=blocks,
        deep_stem=True,
        stem_channels=stem,
        base_channels=width,
        style='pytorch',
        strides=plain.STRIDES,
        dilations=(1, 1, 1, 2),
        multi_grid=plain.LAST_DILATIONS,
        norm_cfg=dict(type='BN', requires_grad=True),
        out_indices=(0, 3),
    )


def build(pool_size=None, **backbone):
    config = backbone_config(**backbone)
    width = config['base_channels']
    model = UDAEncoderDecoder(
        backbone=config,
        decode_head=dict(
            type='mmuda.DeepLabV3PlusHead',
            in_channels=32 * width,
            in_index=1,
            channels=plain.CHANNELS,
            c1_in_channels=4 * width,
            c1_channels=plain.PROJECTED,
            num_classes=CLASSES,
            pool_size=pool_size,
            norm_cfg=dict(type='BN', requires_grad=True),
        ),
    )
    # mmseg's ResNetV1c has the max-pool of detectron2, DeepLabResNet not
    model.backbone.maxpool = torch.nn.MaxPool2d(3, stride=2, padding=1)
    return model.eval()


def converted(state_dict, **kwargs):
    return segmentor_from_published(
        state_dict, stage_blocks=plain.BLOCKS, **kwargs
    )


def back(state_dict, **kwargs):
    return segmentor_to_published(
        state_dict, stage_blocks=plain.BLOCKS, **kwargs
    )


def load(state_dict, **options):
    """Our network with the converted tensors; all of them must fit."""
    model = build(**options)
    model.load_state_dict(
        {
            name.removeprefix('segmentor.'): tensor
            for name, tensor in converted(state_dict).items()
        }
    )
    return model


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('backbone.stem.conv1.weight', 'backbone.stem.0.weight'),
        ('backbone.stem.conv3.norm.bias', 'backbone.stem.7.bias'),
        (
            'backbone.res2.0.shortcut.weight',
            'backbone.layer1.0.downsample.0.weight',
        ),
        (
            'backbone.res3.0.shortcut.norm.running_var',
            'backbone.layer2.0.downsample.1.running_var',
        ),
        (
            'backbone.res5.2.conv2.norm.weight',
            'backbone.layer4.2.bn2.weight',
        ),
        (
            'sem_seg_head.decoder.res5.project_conv.convs.3.weight',
            'decode_head.aspp_modules.3.conv.weight',
        ),
        (
            'sem_seg_head.decoder.res5.project_conv.convs.4.1.bias',
            'decode_head.image_pool.conv.bias',
        ),
        (
            'sem_seg_head.decoder.res5.project_conv.project.norm.bias',
            'decode_head.bottleneck.bn.bias',
        ),
        (
            'sem_seg_head.decoder.res2.project_conv.weight',
            'decode_head.c1_bottleneck.conv.weight',
        ),
        (
            'sem_seg_head.decoder.res2.fuse_conv.1.norm.weight',
            'decode_head.fuse.1.bn.weight',
        ),
    ],
)
def test_tensor_gets_name(old, new):
    state_dict = plain.published()
    assert converted(state_dict)[f'segmentor.{new}'] is state_dict[old]


@pytest.mark.parametrize('size', [(64, 96), (73, 90)])
def test_network_computes_as_published(size):
    state_dict = plain.published()
    images = published_networks.image(size)
    with torch.no_grad():
        logits = load(state_dict)(images, mode='tensor')
    expected = plain.network(state_dict, images)[:, :CLASSES]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_image_pooling_of_a_crop_computes_as_published():
    state_dict = plain.published()
    images = published_networks.image((64, 96))  # 4x6 pixels at stride 16
    with torch.no_grad():
        logits = load(state_dict, pool_size=(2, 3))(images, mode='tensor')
    expected = plain.network(state_dict, images, (2, 3))[:, :CLASSES]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    whole = plain.network(state_dict, images)[:, :CLASSES]
    assert not torch.allclose(logits, whole, rtol=1e-4, atol=1e-4)


def test_classes_survive_both_directions():
    state_dict = plain.published()
    result = back(converted(state_dict))
    assert list(result) == list(state_dict)
    for name, tensor in state_dict.items():
        kept = result[name]
        if name.startswith(PREDICTOR):
            kept, tensor = kept[:CLASSES], tensor[:CLASSES]
        assert torch.equal(kept, tensor), name


def test_void_never_wins_after_the_way_back():
    state_dict = back(converted(plain.published()))
    logits = plain.network(state_dict, published_networks.image((64, 96)))
    probabilities = logits.softmax(dim=1)
    assert logits.shape[1] == plain.OUTPUTS
    assert (logits[:, -1] == VOID_BIAS).all()
    assert (probabilities[:, -1] == 0).all()


def test_network_without_void_keeps_its_outputs():
    state_dict = plain.published()
    own = converted(state_dict, void=False)
    assert torch.equal(
        own['segmentor.decode_head.conv_seg.weight'],
        state_dict[f'{PREDICTOR}.weight'],
    )
    result = back(own, void=False)
    torch.testing.assert_close(result, state_dict, rtol=0, atol=0)


def test_other_parts_of_a_model_are_not_converted():
    own = converted(plain.published())
    own['teacher.backbone.stem.0.weight'] = torch.zeros(1)
    assert list(back(own)) == list(plain.published())


def test_backbone_loads_into_mmsegs():
    state_dict = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in plain.published().items()
        if name.startswith('backbone.')
    }
    classifier = {'stem.fc.weight': torch.zeros(10, 256)}
    own = backbone_from_published(
        {**state_dict, **classifier}, stage_blocks=plain.BLOCKS
    )
    model = MODELS.build(backbone_config())
    assert model.load_state_dict(own).missing_keys == []
    assert torch.equal(
        model.layer4[2].bn3.bias, state_dict['res5.2.conv3.norm.bias']
    )


def test_layout_is_that_of_the_config():
    cfg = Config.fromfile(CONFIG).network.segmentor
    cfg.backbone.init_cfg = None
    cfg.decode_head.num_classes = 19
    layout = segmentor_layout(head_sizes=(19, 256, 48))
    with torch.device('meta'):
        model = MODELS.build(cfg)
    own = {
        f'segmentor.{name}': tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
    }
    assert own == {
        layout.names[name]: shape for name, shape in layout.shapes.items()
    }
