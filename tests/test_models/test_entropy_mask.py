import math
from functools import partial

import gloo
import numpy as np
import pytest
import torch
from mmengine.dist import get_rank

from mmuda.models.losses import class_entropy_mask, confidence_mask
from mmuda.models.losses.averaging import gather_padded
from mmuda.models.losses.entropy_mask import (
    below_thresholds,
    class_entropy_thresholds,
)

NUM_CLASSES = 3


def entropy_of(rest):
    """Normalised entropy if each class but one has this probability."""
    winner = 1 - (NUM_CLASSES - 1) * rest
    total = winner * math.log(winner)
    total += (NUM_CLASSES - 1) * rest * math.log(rest)
    return -total / math.log(NUM_CLASSES)


def pixel(entropy, winner=0):
    """Probabilities of a class that wins with a certain entropy."""
    low, high = 1e-12, 1 / NUM_CLASSES
    for _ in range(60):
        middle = (low + high) / 2
        if entropy_of(middle) < entropy:
            low = middle
        else:
            high = middle
    values = torch.full((NUM_CLASSES,), low, dtype=torch.float64)
    values[winner] = 1 - (NUM_CLASSES - 1) * low
    return values


def image(*pixels):
    """Pixels in a row, (1, C, 1, W)."""
    return torch.stack(pixels, dim=1)[None, :, None]


def test_half_of_a_class_is_kept():
    """Position round(0.5 * 4) = 2 is 0.6, and 0.6 is not below itself."""
    batch = image(*[pixel(entropy) for entropy in (0.1, 0.2, 0.6, 0.9)])
    assert class_entropy_mask(batch).tolist() == [[[0, 0, 255, 255]]]


def test_order_of_the_pixels_does_not_matter():
    batch = image(*[pixel(entropy) for entropy in (0.9, 0.2, 0.6, 0.1)])
    assert class_entropy_mask(batch).tolist() == [[[255, 0, 255, 0]]]


def test_certain_pixels_are_kept_whatever_their_rank():
    batch = image(pixel(0.01), pixel(0.02))
    assert class_entropy_mask(batch).tolist() == [[[0, 0]]]


def test_floor_decides_about_certain_pixels():
    batch = image(pixel(0.01), pixel(0.02))
    labels = class_entropy_mask(batch, floor=0.0)
    assert labels.tolist() == [[[0, 255]]]


def test_floor_itself_is_rejected():
    batch = image(torch.full((4,), 0.25))  # an entropy of exactly 1
    assert class_entropy_mask(batch, floor=1.0).item() == 255


def test_only_pixel_of_a_class_below_the_floor_is_kept():
    batch = image(pixel(0.9, 0), pixel(0.8, 0), pixel(0.2, 1))
    assert class_entropy_mask(batch)[0, 0, 2].item() == 1


def test_only_pixel_of_a_class_above_the_floor_is_rejected():
    """It is its own threshold."""
    batch = image(pixel(0.1, 0), pixel(0.2, 0), pixel(0.3, 1))
    assert class_entropy_mask(batch)[0, 0, 2].item() == 255


def test_each_class_has_its_own_threshold():
    batch = image(
        *[pixel(entropy, 0) for entropy in (0.3, 0.4)],
        *[pixel(entropy, 2) for entropy in (0.8, 0.9)],
    )
    assert class_entropy_mask(batch).tolist() == [[[0, 255, 2, 255]]]


def test_thresholds_are_those_of_the_whole_batch():
    """0.6 at position 2 of the four; alone the second image kept 0.6."""
    batch = torch.cat(
        [image(pixel(0.1), pixel(0.2)), image(pixel(0.6), pixel(0.9))]
    )
    assert class_entropy_mask(batch).tolist() == [[[0, 0]], [[255, 255]]]


def test_thresholds_of_classes():
    """Positions 1 of two and 2 of three; 255 has no rank."""
    entropy = torch.tensor([0.5, 0.4, 0.9, 0.1, 0.8, 0.7])
    labels = torch.tensor([0, 0, 255, 2, 2, 2])
    thresholds = class_entropy_thresholds(entropy, labels, 3)
    torch.testing.assert_close(thresholds, torch.tensor([0.5, math.inf, 0.8]))


def test_thresholds_are_at_least_the_floor():
    values = torch.tensor([0.1, 0.2]), torch.tensor([0, 1])
    thresholds = class_entropy_thresholds(*values, 2, floor=0.15)
    torch.testing.assert_close(thresholds, torch.tensor([0.15, 0.2]))


def test_pixels_below_the_threshold_of_their_class():
    entropy = torch.tensor([[[0.1, 0.3, 0.3, 0.5, 0.0]]])
    labels = torch.tensor([[[0, 0, 1, 1, 255]]])
    kept = below_thresholds(entropy, labels, torch.tensor([0.2, 0.5]))
    assert kept.tolist() == [[[0, 255, 1, 255, 255]]]


def shares():
    """A surer batch of 20 pixels and one of 6 less sure ones."""
    generator = torch.Generator().manual_seed(0)
    surer = 3 * torch.randn(1, NUM_CLASSES, 4, 5, generator=generator)
    less = torch.randn(2, NUM_CLASSES, 1, 3, generator=generator)
    return [surer.softmax(1), less.softmax(1)]


def mask_share():
    return class_entropy_mask(
        shares()[get_rank()],
        floor=0.0,
        gather=partial(gather_padded, fill=255),
    )


def pixels_of(values):
    """(1, C, 1, P) of (N, C, H, W)."""
    return values.transpose(0, 1).flatten(1)[None, :, None]


def test_thresholds_are_those_of_all_processes(tmp_path):
    """In two processes as in one with the pixels of both, of two sizes."""
    found = torch.cat([m.flatten() for m in gloo.run(mask_share, tmp_path)])
    whole = torch.cat([pixels_of(share) for share in shares()], dim=3)
    expected = class_entropy_mask(whole, floor=0.0).flatten()
    assert found.tolist() == expected.tolist()


def test_shares_alone_would_have_other_thresholds():
    whole = torch.cat([pixels_of(share) for share in shares()], dim=3)
    expected = class_entropy_mask(whole, floor=0.0).flatten()
    alone = [class_entropy_mask(share, floor=0.0) for share in shares()]
    alone = torch.cat([labels.flatten() for labels in alone])
    assert (alone != expected).sum().item() == 5


@pytest.mark.parametrize('quantile', [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize('count', [*range(1, 14), 50])
def test_as_many_pixels_as_the_position_are_kept(count, quantile):
    batch = image(*[pixel(0.3 + 0.01 * rank) for rank in range(count)])
    kept = (class_entropy_mask(batch, quantile) != 255).sum().item()
    assert kept == min(round(quantile * count), count - 1)


@pytest.mark.parametrize('count', [1, 3, 5, 7, 9])
def test_a_half_is_rounded_alike_everywhere(count):
    """To the even number: Python's, NumPy's and PyTorch's rules are one."""
    half = torch.tensor(count / 2, dtype=torch.float64)
    assert round(count / 2) == np.round(count / 2) == half.round().item()


def test_pixels_without_label_are_ignored():
    batch = image(pixel(0.1), torch.zeros(NUM_CLASSES), pixel(0.2))
    assert class_entropy_mask(batch).tolist() == [[[0, 255, 0]]]


def test_pixels_without_label_have_no_rank():
    """Zeros have entropy 0; counted in, 0.5 would be at position 2."""
    zeros = [torch.zeros(NUM_CLASSES)] * 4
    batch = image(pixel(0.3), pixel(0.4), pixel(0.5), pixel(0.6), *zeros)
    labels = class_entropy_mask(batch)[0, 0, :4]
    assert labels.tolist() == [0, 0, 255, 255]


def test_nothing_labelled_gives_nothing():
    labels = class_entropy_mask(torch.zeros(2, NUM_CLASSES, 3, 4))
    assert torch.equal(labels, torch.full((2, 3, 4), 255))


def test_labels_in_plain_numpy():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 5, 6, 7, generator=generator)
    p = logits.double().softmax(1)
    array = p.numpy()
    entropy = -(array * np.log(array)).sum(1) / np.log(5)
    expected = array.argmax(1)
    for c in range(5):
        own = array.argmax(1) == c
        ranked = np.sort(entropy[own])
        threshold = max(0.25, ranked[int(np.round(0.5 * len(ranked)))])
        expected[own & (entropy >= threshold)] = 255
    assert np.array_equal(class_entropy_mask(p).numpy(), expected)


@pytest.mark.parametrize('mask', [class_entropy_mask, confidence_mask])
def test_labels_fit_a_cross_entropy(mask):
    labels = mask(torch.rand(2, 4, 3, 5))
    assert labels.dtype == torch.int64
    assert labels.shape == (2, 3, 5)


def test_half_precision_is_ranked_in_single_precision():
    """In float16 many of these entropies would be the same number."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 19, 30, 30, generator=generator)
    half = logits.softmax(1).half()
    assert torch.equal(
        class_entropy_mask(half), class_entropy_mask(half.float())
    )


def test_every_pixel_is_sure_without_a_threshold():
    batch = image(pixel(0.99, 2), pixel(0.1, 1))
    assert confidence_mask(batch).tolist() == [[[2, 1]]]


def test_confidence_that_reaches_the_threshold_is_sure():
    batch = image(torch.tensor([0.25, 0.75]), torch.tensor([0.26, 0.74]))
    assert confidence_mask(batch, 0.75).tolist() == [[[1, 255]]]


@pytest.mark.parametrize('empty', [0.0, math.nan])
def test_pixel_without_probabilities_has_no_label(empty):
    batch = torch.full((1, 4, 1, 1), empty)
    assert confidence_mask(batch).item() == 255
