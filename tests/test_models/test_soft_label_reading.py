"""Where CoaST and MLCL read the soft labels of their images."""

import pytest
import torch
import torch.nn.functional as F
from collaborative_models import build
from tiny_models import NUM_CLASSES

from mmuda.models.batch import DomainBatch


def read(soft, align_corners=True, method='CoaST', stride=4):
    """What a method makes of (N, C, H, W) soft labels."""
    heads = dict(align_corners=align_corners)
    model = build(
        method, 1, segmentor=dict(decode_head=_head(heads)), loss_stride=stride
    )
    images = torch.zeros(len(soft), 3, *soft.shape[2:])
    return model.soft_labels(DomainBatch(images, soft_labels=soft))


def _head(changes):
    return (
        dict(
            type='FCNHead',
            in_channels=64,
            in_index=1,
            channels=8,
            num_convs=1,
            concat_input=False,
            num_classes=NUM_CLASSES,
            loss_decode=dict(type='CrossEntropyLoss'),
        )
        | changes
    )


def labels_of_a_network(size, seed, images=2):
    """Its probabilities at an eighth of the size, resized to the images."""
    generator = torch.Generator().manual_seed(seed)
    coarse = (images, NUM_CLASSES, size[0] // 8 + 1, size[1] // 8 + 1)
    soft = (5 * torch.randn(coarse, generator=generator)).softmax(1)
    return F.interpolate(soft, size, mode='bilinear', align_corners=True)


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
@pytest.mark.parametrize('size', [(80, 160), (33, 41), (62, 94)])
@pytest.mark.parametrize('seed', [0, 1])
def test_the_reading_is_the_published_one(method, size, seed):
    soft = labels_of_a_network(size, seed)
    expected = F.interpolate(
        soft, scale_factor=0.25, mode='bilinear', align_corners=True
    )
    found = read(soft, method=method)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize('size', [(8, 32), (12, 41), (9, 94)])
@pytest.mark.parametrize('stride', [2, 4])
def test_a_label_is_that_of_the_place_of_its_logit(size, stride):
    """A ramp from the first to the last column, as logits have it."""
    soft = torch.zeros(1, NUM_CLASSES, *size)
    soft[:, 0] = torch.linspace(0, 1, size[1])
    soft[:, 1] = 1 - soft[:, 0]
    found = read(soft, stride=stride)[0, 0, 0]
    expected = torch.linspace(0, 1, size[1] // stride)
    torch.testing.assert_close(found, expected)


def test_without_aligned_corners_a_label_is_of_the_middle_of_its_pixels():
    soft = torch.zeros(1, NUM_CLASSES, 4, 32)
    soft[:, 0] = torch.arange(32) / 31
    soft[:, 1] = 1 - soft[:, 0]
    found = read(soft, align_corners=False)[0, 0, 0]
    torch.testing.assert_close(found, (4 * torch.arange(8) + 1.5) / 31)


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_each_is_a_distribution_or_nothing(seed, dtype):
    soft = labels_of_a_network((62, 94), seed)
    soft[:, :, 10:31, 20:41] = 0
    found = read(soft.to(dtype)).sum(1)
    none = found == 0
    assert none.any()
    torch.testing.assert_close(found[~none], torch.ones_like(found[~none]))


def test_no_label_is_where_less_than_half_of_what_is_seen_has_one():
    # 8 columns become 2, the first and the last, 16 become 4 at 0, 5, 10, 15.
    soft = torch.full((1, NUM_CLASSES, 8, 16), 1 / NUM_CLASSES)
    soft[..., 6:11] = 0
    found = read(soft)[0].sum(0)
    expected = torch.tensor([[1.0, 1.0, 0.0, 1.0]]).expand(2, 4)
    torch.testing.assert_close(found, expected)


def test_a_label_beside_none_stays_what_it_is():
    soft = torch.zeros(1, NUM_CLASSES, 8, 31)
    soft[:, 2, :, :11] = 0.75
    soft[:, 3, :, :11] = 0.25
    # Seven columns at 0, 5, 10, ...: the third sees the last labelled one.
    found = read(soft)[0, :, 0]
    assert found[:, 2].tolist() == [0, 0, 0.75, 0.25, 0]
    assert found[:, 3:].sum() == 0
