import golden_inputs
import pytest
import torch

from mmuda.convert import (
    discriminator_from_published,
    discriminator_to_published,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.convert.from_advent import segmentor_names
from mmuda.models import MultiLevelDiscriminator, UDAEncoderDecoder
from mmuda.utils.errors import CheckpointError

COUNTER = 'num_batches_tracked'


def head(in_channels, in_index):
    return dict(
        type='mmuda.DLV2Head',
        in_channels=in_channels,
        in_index=in_index,
        num_classes=19,
    )


def own_names(stage_blocks, auxiliary=True):
    with torch.device('meta'):
        segmentor = UDAEncoderDecoder(
            backbone=dict(
                type='mmuda.DeepLabResNet',
                stage_blocks=stage_blocks,
                out_indices=(2, 3),
            ),
            decode_head=head(2048, 1),
            auxiliary_head=head(1024, 0) if auxiliary else None,
        )
    return {f'segmentor.{name}' for name in segmentor.state_dict()}


@pytest.fixture
def published():
    return {
        name: torch.full((), float(i))
        for i, name in enumerate(segmentor_names((1, 1, 1, 1)))
    }


def convert(state_dict, **kwargs):
    return segmentor_from_published(
        state_dict, stage_blocks=(1, 1, 1, 1), **kwargs
    )


@pytest.mark.parametrize('stage_blocks', [None, (1, 1, 1, 1), (3, 4, 6, 3)])
def test_names_are_those_of_the_model(stage_blocks):
    names = segmentor_names(stage_blocks or (3, 4, 23, 3))
    assert set(names.values()) == own_names(stage_blocks)


def test_names_of_single_level_network_are_those_of_the_model():
    names = segmentor_names((1, 1, 1, 1), ('decode',))
    assert set(names.values()) == own_names((1, 1, 1, 1), auxiliary=False)


def test_names_of_discriminators_are_those_of_the_model():
    with torch.device('meta'):
        model = MultiLevelDiscriminator(('decode', 'aux'), 19)
    published = golden_inputs.discriminator_state_dict('d_main')
    converted = {}
    for level in ('decode', 'aux'):
        converted |= discriminator_from_published(published, level)
    expected = {f'discriminator.{name}' for name in model.state_dict()}
    assert set(converted) == expected


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('conv1.weight', 'backbone.conv1.weight'),
        ('bn1.running_var', 'backbone.bn1.running_var'),
        (
            'layer1.0.downsample.0.weight',
            'backbone.layer1.0.downsample.0.weight',
        ),
        ('layer5.conv2d_list.0.bias', 'auxiliary_head.convs.0.bias'),
        ('layer6.conv2d_list.3.weight', 'decode_head.convs.3.weight'),
    ],
)
def test_tensor_gets_name(published, old, new):
    assert convert(published)[f'segmentor.{new}'] is published[old]


def test_missing_tensor_is_named(published):
    del published['layer2.0.bn3.weight']
    with pytest.raises(CheckpointError, match=r'missing: layer2\.0\.bn3\.we'):
        convert(published)


def test_unknown_tensor_is_named(published):
    published['layer2.1.conv1.weight'] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r'unknown: layer2\.1\.conv1'):
        convert(published)


def test_single_level_network_has_no_auxiliary_head(published):
    with pytest.raises(CheckpointError, match=r'unknown: layer5\.conv2d_l'):
        convert(published, levels=('decode',))


def test_batch_counters_of_old_files_are_filled(published):
    old = {k: v for k, v in published.items() if not k.endswith(COUNTER)}
    assert int(convert(old)[f'segmentor.backbone.bn1.{COUNTER}']) == 0


def test_batch_counters_of_newer_files_are_kept(published):
    published[f'bn1.{COUNTER}'] = torch.tensor(7)
    assert int(convert(published)[f'segmentor.backbone.bn1.{COUNTER}']) == 7


def test_network_survives_both_directions(published):
    own = convert(published)
    own['discriminator.levels.aux.layers.0.weight'] = torch.zeros(1)
    back = segmentor_to_published(own, stage_blocks=(1, 1, 1, 1))
    assert back == published


def test_stray_tensor_of_segmentor_is_named_on_the_way_back(published):
    own = convert(published)
    own['segmentor.neck.weight'] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r'unknown: segmentor\.neck'):
        segmentor_to_published(own, stage_blocks=(1, 1, 1, 1))


@pytest.mark.parametrize('level', ['decode', 'aux'])
def test_discriminator_survives_both_directions(level):
    published = golden_inputs.discriminator_state_dict('d_aux')
    own = discriminator_from_published(published, level)
    assert discriminator_to_published(own, level) == published


def test_absent_discriminator_is_named():
    with pytest.raises(CheckpointError, match="no discriminator of level 'a"):
        discriminator_to_published({'segmentor.a': torch.zeros(1)}, 'aux')


def test_discriminator_of_other_depth_is_refused():
    published = golden_inputs.discriminator_state_dict('d_main')
    del published['8.weight']
    with pytest.raises(CheckpointError, match=r'missing: 8\.weight'):
        discriminator_from_published(published, 'decode')
