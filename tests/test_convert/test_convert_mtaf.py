import published_networks as plain
import pytest
import torch

from mmuda.convert.from_mtaf import (
    segmentor_from_published,
    segmentor_layout,
    segmentor_to_published,
)
from mmuda.models import MultiHeadEncoderDecoder, UDAEncoderDecoder
from mmuda.utils.errors import CheckpointError, ConfigError

TARGETS = ('cityscapes', 'mapillary')
SMALL = dict(stage_blocks=plain.BLOCKS)


def head(in_channels, in_index):
    return dict(
        type='mmuda.DLV2Head',
        in_channels=in_channels,
        in_index=in_index,
        num_classes=plain.NUM_CLASSES,
    )


def build(targets=(), width=plain.WIDTH, stage_blocks=plain.BLOCKS):
    kwargs = dict(
        backbone=dict(
            type='mmuda.DeepLabResNet',
            base_channels=width,
            stem_channels=width,
            stage_blocks=stage_blocks,
            out_indices=(2, 3),
        ),
        decode_head=head(32 * width, 1),
        auxiliary_head=head(16 * width, 0),
    )
    if targets:
        return MultiHeadEncoderDecoder(**kwargs, targets=targets).eval()
    return UDAEncoderDecoder(**kwargs).eval()


def published(targets=()):
    layout = segmentor_layout(
        targets,
        plain.BLOCKS,
        width=plain.WIDTH,
        num_classes=plain.NUM_CLASSES,
    )
    return plain.fill(layout.shapes)


def converted(state_dict, targets=(), **kwargs):
    return segmentor_from_published(state_dict, targets, **SMALL, **kwargs)


def load(state_dict, targets=()):
    """Our network with the converted tensors; all of them must fit."""
    own = converted(state_dict, targets)
    model = build(targets)
    model.load_state_dict(
        {k.removeprefix('segmentor.'): v for k, v in own.items()}
    )
    return model


@pytest.mark.parametrize('targets', [(), TARGETS, ('a', 'b', 'c')])
def test_layout_is_that_of_the_published_size(targets):
    layout = segmentor_layout(targets)
    with torch.device('meta'):
        model = build(targets, width=64, stage_blocks=(3, 4, 23, 3))
    own = {
        f'segmentor.{name}': tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
    }
    assert own == {layout.names[k]: s for k, s in layout.shapes.items()}


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('conv1.weight', 'backbone.conv1.weight'),
        ('layer3.0.bn2.running_var', 'backbone.layer3.0.bn2.running_var'),
        (
            'main_classifier_list.0.conv2d_list.3.weight',
            'decode_head.convs.3.weight',
        ),
        (
            'aux_classifier_list.0.conv2d_list.0.bias',
            'auxiliary_head.convs.0.bias',
        ),
        (
            'main_classifier_list.1.conv2d_list.2.bias',
            'target_heads.cityscapes.decode.convs.2.bias',
        ),
        (
            'aux_classifier_list.2.conv2d_list.1.weight',
            'target_heads.mapillary.aux.convs.1.weight',
        ),
    ],
)
def test_tensor_of_mtkt_gets_name(old, new):
    state_dict = published(TARGETS)
    assert (
        converted(state_dict, TARGETS)[f'segmentor.{new}'] is (state_dict[old])
    )


def test_single_head_of_multi_dis_is_the_main_one():
    state_dict = published()
    own = converted(state_dict, TARGETS)
    assert (
        own['segmentor.decode_head.convs.0.weight']
        is (state_dict['layer6.conv2d_list.0.weight'])
    )


@pytest.mark.parametrize('targets', [(), TARGETS])
def test_network_survives_both_directions(targets):
    state_dict = published(targets)
    own = converted(state_dict, targets)
    own['discriminator.levels.aux.layers.0.weight'] = torch.zeros(1)
    assert segmentor_to_published(own, targets, **SMALL) == state_dict


@pytest.mark.parametrize(
    ('name', 'stage', 'prefix'),
    [
        ('decode', 3, 'main_classifier_list.0'),
        ('aux', 2, 'aux_classifier_list.0'),
        ('cityscapes.decode', 3, 'main_classifier_list.1'),
        ('mapillary.aux', 2, 'aux_classifier_list.2'),
    ],
)
def test_heads_of_mtkt_compute_as_published(name, stage, prefix):
    state_dict = published(TARGETS)
    images = plain.image()
    with torch.no_grad():
        logits = load(state_dict, TARGETS)(images, heads=(name,)).logits[name]
    features = plain.resnet(state_dict, images)[stage]
    expected = plain.linear_aspp(state_dict, prefix, features)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_single_head_computes_as_published():
    state_dict = published()
    images = plain.image()
    with torch.no_grad():
        logits = load(state_dict)(images, mode='tensor')
    features = plain.resnet(state_dict, images)[3]
    expected = plain.linear_aspp(state_dict, 'layer6', features)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('targets', [(), ('a',), ('a', 'b', 'c')])
def test_wrong_number_of_targets_is_refused(targets):
    with pytest.raises(CheckpointError, match=r'net\.pth holds 3 main .* 2 '):
        converted(published(TARGETS), targets, path='net.pth')


def test_target_named_twice_is_refused():
    with pytest.raises(ConfigError, match="'a' must be .* once"):
        converted(published(TARGETS), ('a', 'a'))


def test_missing_tensor_is_named():
    state_dict = published(TARGETS)
    del state_dict['aux_classifier_list.1.conv2d_list.0.bias']
    with pytest.raises(CheckpointError, match=r'missing: aux_classifier_list'):
        converted(state_dict, TARGETS)


def test_unknown_tensor_is_named():
    state_dict = published()
    state_dict['layer7.weight'] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r'unknown: layer7\.weight'):
        converted(state_dict)


def test_head_of_other_classes_is_named():
    state_dict = published(TARGETS)
    name = 'main_classifier_list.2.conv2d_list.0.bias'
    state_dict[name] = torch.zeros(19)
    with pytest.raises(
        CheckpointError, match=rf'net\.pth: {name} .* \(19,\), but \(7,\)'
    ):
        converted(state_dict, TARGETS, path='net.pth')


def test_own_tensor_of_other_shape_is_named():
    own = converted(published())
    own['segmentor.backbone.layer1.0.conv2.weight'] = torch.zeros(8, 8, 1, 1)
    with pytest.raises(CheckpointError, match=r'segmentor\.backbone\.layer1'):
        segmentor_to_published(own, **SMALL)


def test_own_heads_of_other_targets_are_named():
    own = converted(published(TARGETS), TARGETS)
    with pytest.raises(CheckpointError, match=r"\['cityscapes', 'mapillary'"):
        segmentor_to_published(own, ('cityscapes', 'idd'), **SMALL)


def test_target_order_numbers_the_published_heads():
    own = converted(published(TARGETS), TARGETS)
    back = segmentor_to_published(own, TARGETS[::-1], **SMALL)
    assert (
        back['main_classifier_list.2.conv2d_list.0.bias']
        is (own['segmentor.target_heads.cityscapes.decode.convs.0.bias'])
    )
