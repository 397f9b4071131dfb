"""Boxes, windows and the fusion of context and detail."""

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from mmuda.models.segmentors import Box
from mmuda.models.segmentors.scales import (
    fuse,
    offsets,
    padded,
    random_box,
    windows,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.seeds import mix_seed, seed_all

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ('length', 'crop', 'multiple', 'expected'),
    [
        (1024, 512, 8, range(0, 505, 8)),
        (128, 64, 8, range(0, 57, 8)),
        (100, 64, 1, range(0, 37)),
        (64, 64, 8, [0]),
        (70, 64, 8, [0]),
        (71, 64, 8, [0]),
    ],
)
def test_offsets(length, crop, multiple, expected):
    assert list(offsets(length, crop, multiple)) == list(expected)


def test_boxes_take_all_offsets_and_no_others():
    torch.manual_seed(0)
    boxes = {random_box((64, 96), (32, 64), 8) for _ in range(500)}
    assert boxes == {
        Box(top, top + 32, left, left + 64)
        for top in (0, 8, 16, 24)
        for left in (0, 8, 16, 24)
    }


def test_a_crop_of_all_draws_nothing():
    state = torch.get_rng_state()
    assert random_box((64, 96), (64, 96), 8) == Box(0, 64, 0, 96)
    assert torch.equal(torch.get_rng_state(), state)
    random_box((64, 96), (64, 64), 8)
    assert not torch.equal(torch.get_rng_state(), state)


def test_a_resumed_run_draws_the_same_boxes():
    """Each process draws its own, whatever happened before."""

    def drawn(iteration, rank):
        seed_all(mix_seed(0, iteration, rank))
        return [random_box((1024, 1024), (512, 512), 8) for _ in range(3)]

    assert drawn(5, 0) == drawn(5, 0)
    assert len({*drawn(5, 0), *drawn(5, 1), *drawn(6, 0)}) == 9


@pytest.mark.parametrize(
    ('stride', 'tops', 'lefts'),
    [((32, 48), (0, 32, 64), (0, 48, 64)), ((64, 96), (0, 64), (0, 64))],
)
def test_windows_cover_an_image(stride, tops, lefts):
    expected = [
        Box(top, top + 64, left, left + 96) for top in tops for left in lefts
    ]
    assert windows((128, 160), (64, 96), stride) == expected


def maps(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, *size, generator=generator, dtype=torch.double)


def up(values):
    return F.interpolate(values, scale_factor=2, mode='bilinear')


@pytest.mark.parametrize('channels', [5, 1])
def test_a_crop_is_fused_where_it_lies(channels):
    context, detail = maps(5, 8, 12), maps(5, 8, 12, seed=1)
    attention = maps(channels, 8, 12, seed=2).sigmoid()
    box = Box(24, 56, 16, 64)
    found = fuse(context, detail, attention, [box], (64, 96), HALF, False)
    mask = torch.zeros(1, 1, 8, 12).double()
    mask[:, :, 3:7, 2:8] = 1
    pasted = torch.zeros(2, 5, 16, 24).double()
    pasted[:, :, 6:14, 4:16] = detail
    seen = attention * mask
    expected = up((1 - seen) * context) + up(seen) * pasted
    torch.testing.assert_close(found.fused, expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(found.context, (1 - seen) * context)
    assert found.detail is detail
    factors = (1 - up(seen)) * up(context) + up(seen) * pasted
    assert (found.fused - factors).abs().max() > 0.01


def test_of_overlapping_details_the_mean_is_fused():
    boxes = windows((64, 96), (32, 48), (16, 24))
    context, details = maps(5, 8, 12), torch.randn(18, 5, 8, 12).double()
    total, count = torch.zeros(2, 5, 16, 24).double(), torch.zeros(16, 24)
    for number, box in enumerate(boxes):
        rows = slice(box.top // 4, box.bottom // 4)
        columns = slice(box.left // 4, box.right // 4)
        total[..., rows, columns] += details[2 * number : 2 * number + 2]
        count[rows, columns] += 1
    attention = maps(1, 8, 12, seed=2).sigmoid()
    found = fuse(context, details, attention, boxes, (64, 96), HALF, False)
    expected = up((1 - attention) * context) + up(attention) * total / count
    torch.testing.assert_close(found.fused, expected)


@pytest.mark.parametrize(
    ('context', 'detail', 'box', 'size'),
    [
        # The network rounds up.
        ((9, 13), (9, 13), Box(0, 32, 0, 48), (64, 96)),
        # A stride of 8, but an offset of 4.
        ((4, 6), (4, 6), Box(4, 36, 0, 48), (64, 96)),
        # Another stride for rows than for columns.
        ((8, 12), (8, 6), Box(0, 32, 0, 48), (64, 96)),
        # A context that is not half as large.
        ((9, 12), (8, 12), Box(0, 32, 0, 48), (64, 96)),
    ],
)
def test_scales_without_a_common_grid_are_refused(context, detail, box, size):
    parts = maps(5, *context), maps(5, *detail), maps(5, *context)
    with pytest.raises(ConfigError, match='no common grid'):
        fuse(*parts, [box], size, HALF, False)


def test_the_grid_of_the_context_may_be_coarser_than_an_offset():
    """As published with DeepLab-V2, where 8 is half a cell of the context."""
    parts = maps(5, 4, 6), maps(5, 4, 6), maps(1, 4, 6).sigmoid()
    found = fuse(*parts, [Box(8, 40, 24, 72)], (64, 96), HALF, False)
    ratio = found.context / parts[0]
    seen = (ratio[0, 0] != 1).nonzero()
    assert seen.amin(dim=0).tolist() == [0, 1]
    assert seen.amax(dim=0).tolist() == [1, 3]


@pytest.mark.parametrize(
    ('size', 'expected'), [((64, 96), None), ((57, 90), (64, 96))]
)
def test_padding(size, expected):
    images = torch.ones(1, 3, *size)
    found = padded(images, 8)
    if expected is None:
        assert found is images
        return
    assert found.shape[2:] == expected
    assert torch.equal(found[..., : size[0], : size[1]], images)
    assert found.sum() == images.sum()
