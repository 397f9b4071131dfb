import golden_inputs
import pytest
import torch

from mmuda.convert.from_mtaf import (
    discriminator_files,
    discriminator_from_published,
    discriminator_to_published,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError

TARGETS = ('cityscapes', 'mapillary')


def head(in_channels, in_index):
    return dict(
        type='mmuda.DLV2Head',
        in_channels=in_channels,
        in_index=in_index,
        num_classes=7,
    )


def discriminators_of(method, targets):
    with torch.device('meta'):
        model = MODELS.build(
            dict(
                type=f'mmuda.{method}',
                segmentor=dict(
                    type='mmuda.UDAEncoderDecoder',
                    backbone=dict(
                        type='mmuda.DeepLabResNet',
                        stage_blocks=(1, 1, 1, 1),
                        out_indices=(2, 3),
                    ),
                    decode_head=head(2048, 1),
                    auxiliary_head=head(1024, 0),
                ),
                targets=targets,
                discriminator=dict(
                    type='mmuda.MultiLevelDiscriminator',
                    levels=['decode', 'aux'],
                    in_channels=7,
                ),
                adversarial_weights=dict(decode=1e-3, aux=2e-4),
            )
        )
    return {
        '.'.join(name.split('.')[:3])
        for name in model.state_dict()
        if name.startswith('discriminator')
    }


@pytest.mark.parametrize('targets', [TARGETS, ('a', 'b', 'c')])
def test_discriminators_of_multi_dis_are_those_of_the_model(targets):
    files = discriminator_files(targets, mtkt=False)
    own = {f'{name}.levels.{level}' for name, level in files.values()}
    assert own == discriminators_of('MultiDis', list(targets))


def test_discriminators_of_the_baseline_are_those_of_advent():
    assert discriminator_files((), mtkt=False) == {
        'D_main': ('discriminator', 'decode'),
        'D_aux': ('discriminator', 'aux'),
    }


def test_mtkt_saves_the_last_target_only():
    assert discriminator_files(TARGETS, mtkt=True) == {
        'D_main': ('discriminator_mapillary', 'decode')
    }


def test_discriminator_survives_both_directions():
    state_dict = golden_inputs.discriminator_state_dict('d_main')
    where = ('discriminator_source_idd', 'aux', 'd.pth')
    own = discriminator_from_published(state_dict, *where)
    assert discriminator_to_published(own, *where) == state_dict


def test_absent_discriminator_is_named():
    with pytest.raises(CheckpointError, match=r'no discriminator_a\.levels'):
        discriminator_to_published({}, 'discriminator_a', 'aux', 'own.pth')
