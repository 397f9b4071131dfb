import published_networks as plain
import pytest
import torch
from mmseg.models.utils import make_divisible

from mmuda.convert.from_coast import (
    find_network,
    segmentor_from_published,
    segmentor_layout,
    segmentor_to_published,
)
from mmuda.models import MultiHeadEncoderDecoder
from mmuda.utils.errors import CheckpointError, ConfigError

TARGETS = ('cityscapes', 'mapillary')
CHANNELS = 32
# mmseg squeezes to a multiple of eight.
SIZES = (plain.NUM_CLASSES, CHANNELS, make_divisible(5 * CHANNELS // 16, 8))
SMALL = dict(stage_blocks=plain.BLOCKS)


def build(
    ensemble=False,
    targets=TARGETS,
    width=plain.WIDTH,
    channels=CHANNELS,
    stage_blocks=plain.BLOCKS,
):
    return MultiHeadEncoderDecoder(
        backbone=dict(
            type='mmuda.DeepLabResNet',
            base_channels=width,
            stem_channels=width,
            stage_blocks=stage_blocks,
            out_indices=(3,),
        ),
        decode_head=dict(
            type='mmuda.ASPPSEHead',
            in_channels=32 * width,
            in_index=0,
            channels=channels,
            num_classes=plain.NUM_CLASSES,
        ),
        targets=targets,
        ensemble=ensemble,
    ).eval()


def published(num_heads, targets=TARGETS):
    layout = segmentor_layout(
        targets, plain.BLOCKS, num_heads, plain.WIDTH, SIZES
    )
    return plain.fill(layout.shapes)


def converted(state_dict, targets=TARGETS, **kwargs):
    return segmentor_from_published(state_dict, targets, **SMALL, **kwargs)


def load(state_dict, ensemble=False):
    """Our network with the converted tensors; all of them must fit."""
    model = build(ensemble)
    own = converted(state_dict)
    model.load_state_dict(
        {k.removeprefix('segmentor.'): v for k, v in own.items()}
    )
    return model


@pytest.mark.parametrize('ensemble', [False, True])
@pytest.mark.parametrize('targets', [TARGETS, ('a', 'b', 'c')])
def test_layout_is_that_of_the_published_size(targets, ensemble):
    blocks = (3, 4, 23, 3)
    num_heads = len(targets) + 1 + ensemble
    layout = segmentor_layout(targets, blocks, num_heads)
    with torch.device('meta'):
        model = build(ensemble, targets, 64, 256, blocks)
    own = {
        f'segmentor.{name}': tensor.numel()
        for name, tensor in model.state_dict().items()
    }
    assert own == {
        layout.names[name]: torch.Size(shape).numel()
        for name, shape in layout.shapes.items()
    }


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('layer1.0.bn1.bias', 'backbone.layer1.0.bn1.bias'),
        (
            'layer5_list.0.conv2d_list.0.0.weight',
            'target_heads.cityscapes.decode.branches.0.0.weight',
        ),
        (
            'layer5_list.1.conv2d_list.4.1.bias',
            'target_heads.mapillary.decode.branches.4.1.bias',
        ),
        (
            'layer5_list.2.bottleneck.0.se.2.bias',
            'decode_head.se.conv2.conv.bias',
        ),
        (
            'layer5_list.2.bottleneck.1.weight',
            'decode_head.bottleneck.0.weight',
        ),
        ('layer5_list.3.head.1.weight', 'ensemble_head.conv_seg.weight'),
    ],
)
def test_tensor_gets_name(old, new):
    state_dict = published(4)
    assert converted(state_dict)[f'segmentor.{new}'] is state_dict[old]


def test_squeeze_becomes_a_convolution():
    state_dict = published(3)
    own = converted(state_dict)['segmentor.decode_head.se.conv1.conv.weight']
    old = state_dict['layer5_list.2.bottleneck.0.se.0.weight']
    assert torch.equal(own, old.view(*old.shape, 1, 1))


@pytest.mark.parametrize('num_heads', [2, 3, 4])
def test_network_survives_both_directions(num_heads):
    state_dict = published(num_heads)
    own = converted(state_dict)
    own['discriminator_cityscapes.levels.decode.a'] = torch.zeros(1)
    back = segmentor_to_published(own, TARGETS, **SMALL)
    torch.testing.assert_close(back, state_dict, rtol=0, atol=0)


def test_warm_up_has_no_agnostic_head():
    own = converted(published(2))
    assert not any(name.startswith('segmentor.decode_head') for name in own)


@pytest.mark.parametrize(
    ('name', 'index'),
    [('cityscapes.decode', 0), ('mapillary.decode', 1), ('decode', 2)],
)
def test_head_computes_as_published(name, index):
    state_dict = published(3)
    images = plain.image()
    with torch.no_grad():
        logits = load(state_dict)(images, heads=(name,)).logits[name]
    features = plain.resnet(state_dict, images)[3]
    expected = plain.aspp_se(state_dict, f'layer5_list.{index}', features)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_ensemble_head_takes_views_in_the_published_order():
    state_dict = published(4)
    views = [plain.image(), plain.image().flip(0)]
    model = load(state_dict, ensemble=True)
    with torch.no_grad():
        features = [model.extract_feat(view)[0] for view in views]
        logits = model.ensemble_head([torch.cat(features, dim=1)])
    joint = torch.cat([plain.resnet(state_dict, v)[3] for v in views], dim=1)
    expected = plain.aspp_se(state_dict, 'layer5_list.3', joint)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('num_heads', 'warm_up', 'targets', 'counts'),
    [
        (3, False, ('a', 'b', 'c'), '2 in CoaST .*, 1 in MLCL'),
        (2, True, ('a',), '2 in the warm-up'),
        (4, None, ('a',), '4 in the warm-up, 3 in CoaST .*, 2 in MLCL'),
    ],
)
def test_wrong_number_of_targets_is_refused(
    num_heads, warm_up, targets, counts
):
    with pytest.raises(
        CheckpointError, match=rf'net\.pkl holds {num_heads} .*\({counts}'
    ):
        converted(
            published(num_heads), targets, path='net.pkl', warm_up=warm_up
        )


def test_ensemble_head_is_not_taken_for_an_agnostic_one():
    with pytest.raises(CheckpointError, match=r'layer5_list\.3\.conv2d_list'):
        converted(published(4), ('a', 'b', 'c'))


def test_no_targets_are_refused():
    with pytest.raises(ConfigError, match='none given'):
        segmentor_to_published(converted(published(3)), ())


def test_own_heads_of_other_targets_are_named():
    with pytest.raises(CheckpointError, match=r"\['cityscapes', 'mapillary'"):
        segmentor_to_published(converted(published(3)), ('idd',), **SMALL)


def test_ensemble_head_alone_is_refused():
    own = {
        name: tensor
        for name, tensor in converted(published(4)).items()
        if not name.startswith('segmentor.decode_head')
    }
    with pytest.raises(CheckpointError, match='missing: segmentor.decode_he'):
        segmentor_to_published(own, TARGETS, **SMALL)


def test_tensor_of_other_shape_is_named():
    state_dict = published(3)
    name = 'layer5_list.1.bottleneck.0.se.0.weight'
    state_dict[name] = torch.zeros(4, 160)
    with pytest.raises(CheckpointError, match=rf'net\.pkl: {name} .* \(4, '):
        converted(state_dict, path='net.pkl')


def test_network_of_another_class_is_refused():
    with pytest.raises(CheckpointError, match=r"net\.pkl .* 'VGG'.*fc7"):
        find_network({'VGG': {'model_state': {}}}, 'net.pkl')
