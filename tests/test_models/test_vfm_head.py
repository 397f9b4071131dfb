"""Head of VFM-UDA; its numbers are tested with the goldens."""

import pytest
import torch

from mmuda.models.decode_heads.vfm_head import ChannelNorm
from mmuda.registry import MODELS


@pytest.fixture
def head():
    torch.manual_seed(0)
    return MODELS.build(dict(type='VFMHead', in_channels=768, num_classes=19))


def test_classifier_starts_from_its_normal(head):
    head.init_weights()
    assert float(head.conv_seg.weight.std()) == pytest.approx(0.1, rel=0.05)


def test_convolutions_have_no_bias(head):
    biases = [n for n, _ in head.named_parameters() if n.endswith('bias')]
    assert biases == [f'upscale.{i}.bias' for i in (1, 4, 6)]


def test_every_parameter_gets_a_gradient(head):
    head((torch.randn(1, 768, 2, 3),)).sum().backward()
    assert [n for n, p in head.named_parameters() if p.grad is None] == []


def test_moments_are_not_in_16_bits():
    maps = 100 + torch.rand(1, 8, 3, 3)
    norm = ChannelNorm(8, 1e-6)
    expected = norm(maps.bfloat16().float())
    with torch.autocast('cpu', torch.bfloat16):
        found = norm(maps.bfloat16())
    # Half a step of what is given; of its moments it would be 0.2.
    torch.testing.assert_close(found.float(), expected, rtol=4e-3, atol=1e-4)
