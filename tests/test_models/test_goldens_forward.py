"""Forward passes against the numbers of the published implementation."""

import golden_inputs
import pytest
import torch
import torch.nn.functional as F
from tiny_models import logits_of

from mmuda.convert import (
    discriminator_from_published,
    segmentor_from_published,
    strip_segmentor_prefix,
)
from mmuda.models import FCDiscriminator, UDAEncoderDecoder
from mmuda.models.losses.alignment import entropy_loss, self_information
from mmuda.models.segmentors import Prediction

RELATIVE = 1e-9


def head(in_channels, in_index):
    return dict(
        type='mmuda.DLV2Head',
        in_channels=in_channels,
        in_index=in_index,
        num_classes=golden_inputs.NUM_CLASSES,
    )


def build_segmentor():
    segmentor = UDAEncoderDecoder(
        backbone=dict(
            type='mmuda.DeepLabResNet',
            depth=101,
            stage_blocks=golden_inputs.STAGE_BLOCKS,
            out_indices=(2, 3),
        ),
        decode_head=head(2048, 1),
        auxiliary_head=head(1024, 0),
    ).double()
    converted = segmentor_from_published(
        golden_inputs.network_state_dict(),
        stage_blocks=golden_inputs.STAGE_BLOCKS,
    )
    segmentor.load_state_dict(strip_segmentor_prefix(converted))
    return segmentor


@pytest.fixture(scope='module')
def goldens():
    return golden_inputs.load_goldens('advent_forward_s0')


@pytest.fixture(scope='module')
def logits():
    segmentor = build_segmentor()
    image = golden_inputs.source_image(0)
    results = {}
    with torch.no_grad():
        for mode in ('eval', 'train'):
            segmentor.train(mode == 'train')
            outputs = logits_of(segmentor, image)
            results[f'{mode}_main'] = outputs['decode']
            results[f'{mode}_aux'] = outputs['aux']
    return results


@pytest.fixture(scope='module')
def upsampled(logits):
    return F.interpolate(
        logits['train_main'],
        size=(65, 97),
        mode='bilinear',
        align_corners=True,
    )


@pytest.fixture(scope='module')
def domain_logits(upsampled):
    discriminator = FCDiscriminator(golden_inputs.NUM_CLASSES).double()
    converted = discriminator_from_published(
        golden_inputs.discriminator_state_dict('d_main'), 'decode'
    )
    prefix = 'discriminator.levels.decode.'
    discriminator.load_state_dict(
        {name.removeprefix(prefix): t for name, t in converted.items()}
    )
    with torch.no_grad():
        return discriminator(self_information(upsampled))


def assert_golden(actual, expected):
    scale = float(expected.abs().max())
    torch.testing.assert_close(
        actual, expected, rtol=RELATIVE, atol=RELATIVE * scale
    )


@pytest.mark.parametrize(
    'name', ['eval_main', 'eval_aux', 'train_main', 'train_aux']
)
def test_logits_equal_goldens(logits, goldens, name):
    assert_golden(logits[name], goldens[name])


def test_head_loss_equals_golden_cross_entropy(logits, goldens):
    losses = build_segmentor().losses(
        Prediction({'decode': logits['train_main']}),
        golden_inputs.source_label(0),
    )
    assert_golden(losses['decode.loss_ce'], goldens['ce'])


def test_entropy_equals_golden(upsampled, goldens):
    assert_golden(entropy_loss(upsampled), goldens['entropy'])


def test_self_information_sum_equals_golden(upsampled, goldens):
    total = self_information(upsampled).sum()
    assert_golden(total, goldens['self_information_sum'])


def test_self_information_corner_equals_golden(upsampled, goldens):
    corner = self_information(upsampled)[0, :, :4, :4]
    assert_golden(corner, goldens['self_information_corner'])


def test_discriminator_logits_equal_golden(domain_logits, goldens):
    assert_golden(domain_logits, goldens['d_out'])


@pytest.mark.parametrize(
    ('name', 'label'), [('bce_source0', 0.0), ('bce_target1', 1.0)]
)
def test_adversarial_loss_equals_golden(domain_logits, goldens, name, label):
    target = torch.full_like(domain_logits, label)
    loss = F.binary_cross_entropy_with_logits(domain_logits, target)
    assert_golden(loss, goldens[name])
