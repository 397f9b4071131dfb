"""Labels and scores from logits."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmuda.evaluation.score_histogram import quantise
from mmuda.models.losses import normalised_entropy
from mmuda.models.segmentors.strips import upsampled
from mmuda.pseudo_labels.predictor import (
    label_and_score,
    probabilities,
)


def logits(seed=0, shape=(2, 5, 6, 9)):
    generator = torch.Generator().manual_seed(seed)
    return 4 * torch.randn(shape, generator=generator)


def strips(maps):
    return upsampled(maps, tuple(maps.shape[2:]), True)


def test_softmax_first_interpolates_probabilities():
    low = logits()
    expected = F.interpolate(
        low.softmax(1), (33, 41), mode='bilinear', align_corners=True
    )
    actual = probabilities(low, (33, 41), 'softmax_first', True).whole()
    torch.testing.assert_close(actual, expected)


def test_upsample_first_interpolates_logits():
    low = logits()
    expected = F.interpolate(
        low, (33, 41), mode='bilinear', align_corners=True
    ).softmax(1)
    actual = probabilities(low, (33, 41), 'upsample_first', True).whole()
    torch.testing.assert_close(actual, expected)


def test_the_two_orders_differ():
    orders = [
        probabilities(logits(), (33, 41), order, True).whole()
        for order in ('softmax_first', 'upsample_first')
    ]
    assert (orders[0] - orders[1]).abs().max() > 0.05


def test_entropy_of_a_uniform_distribution_is_one():
    uniform = torch.full((1, 7, 2, 2), 1 / 7)
    torch.testing.assert_close(
        normalised_entropy(uniform), torch.ones(1, 2, 2)
    )


def test_entropy_of_a_certain_prediction_is_zero_and_finite():
    certain = torch.zeros(1, 4, 1, 1)
    certain[0, 2] = 1
    assert normalised_entropy(certain).item() == 0


def test_entropy_of_two_equal_classes_of_four():
    half = torch.tensor([0.5, 0.5, 0, 0]).view(1, 4, 1, 1)
    assert normalised_entropy(half).item() == pytest.approx(
        math.log(2) / math.log(4)
    )


def test_label_is_the_most_probable_class():
    p = logits().softmax(1)
    label, _ = label_and_score(strips(p), 'confidence')
    assert torch.equal(label.long(), p.argmax(1))


def test_confidence_is_the_largest_probability():
    p = logits().softmax(1)
    torch.testing.assert_close(
        label_and_score(strips(p), 'confidence')[1], p.amax(1)
    )


@pytest.mark.parametrize('score', ['entropy', 'confidence'])
def test_pixels_with_nan_get_no_label(score):
    p = logits().softmax(1)
    p[1, 3, 4, 5] = math.nan
    label, scores = label_and_score(strips(p), score)
    assert label[1, 4, 5] == 255
    assert (label == 255).sum() == 1
    assert torch.isfinite(scores).all()


def test_bins_have_equal_width_and_the_last_holds_one():
    scores = torch.tensor([0, 0.2499, 0.25, 0.999, 1.0])
    assert quantise(scores, 4).tolist() == [0, 0, 1, 3, 3]


@pytest.mark.parametrize('score', ['entropy', 'confidence'])
@pytest.mark.parametrize('order', ['softmax_first', 'upsample_first'])
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('limit', [1, 3 * 2 * 5 * 150])
def test_strips_give_what_the_whole_image_gives(score, order, aligned, limit):
    low = logits()
    low[0, 2, 3, 4] = math.nan
    probability = probabilities(low, (150, 170), order, aligned)
    whole = label_and_score(probability, score, limit=10**9)
    found = label_and_score(probability, score, limit)
    assert (whole[0] == 255).any()
    assert torch.equal(found[0], whole[0])
    torch.testing.assert_close(found[1], whole[1], rtol=0, atol=1e-6)
