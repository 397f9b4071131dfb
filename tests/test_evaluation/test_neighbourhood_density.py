"""Soft neighbourhood density of images against loops over pixels."""

import math

import pytest
import torch
from label_free_cases import CLASSES, certain_logits, random_logits, rows_of

from mmuda.evaluation.label_free_scores import label_free_scores
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.evaluation.neighbourhood_density import (
    candidate_pixels,
    soft_neighbourhood_density,
)
from mmuda.models.segmentors import strips


def by_loops(p):
    """As published, for one image of n pixels."""
    entropies = []
    for one in p:
        near = []
        for other in p:
            cosine = float(one @ other) / float(one.norm() * other.norm())
            near.append(math.exp(cosine / 0.05))
        shares = [value / sum(near) for value in near]
        entropies.append(-sum(q * math.log(q + 1e-5) for q in shares))
    return sum(entropies) / len(p)


def state_of(logits, valid=None):
    state = LabelFreeState(logits.shape[1])
    state.update(logits, valid)
    return state


def test_density_is_that_of_the_formula():
    p = rows_of(random_logits(1))
    found = float(soft_neighbourhood_density(p))
    assert found == pytest.approx(by_loops(p), rel=1e-9)


def test_images_of_few_pixels_count_as_a_whole():
    logits = random_logits()
    state = state_of(logits)
    expected = [by_loops(rows_of(image[None])) for image in logits]
    assert int(state['density_images']) == 3
    assert float(state['density']) == pytest.approx(sum(expected), rel=1e-5)
    scores = label_free_scores(state)
    assert scores['SND'] == pytest.approx(sum(expected) / 3, rel=1e-5)


def test_of_large_images_a_hundred_pixels_count(monkeypatch):
    size = 20, 30
    logits = random_logits(1, size)
    places = candidate_pixels(*size)
    assert len({*places.tolist()}) == 400
    chosen = rows_of(logits)[places[:100]]
    expected = float(soft_neighbourhood_density(chosen))
    assert float(state_of(logits)['density']) == pytest.approx(expected, 1e-5)
    # The same from strips of some columns.
    for limit in (1, 20 * CLASSES * 7):
        monkeypatch.setattr(strips, '_CPU_VALUES', limit)
        assert float(state_of(logits)['density']) == pytest.approx(
            expected, 1e-5
        )


def test_padding_is_no_neighbour():
    size = 20, 30
    logits, valid = random_logits(1, size), torch.ones(1, *size).bool()
    valid[:, :, 15:] = False
    places = candidate_pixels(*size)
    inside = places[places % 30 < 15][:100]
    expected = float(soft_neighbourhood_density(rows_of(logits)[inside]))
    state = state_of(logits, valid)
    assert float(state['density']) == pytest.approx(expected, rel=1e-5)
    state = state_of(logits, torch.zeros_like(valid))
    assert int(state['density_images']) == 0
    assert math.isnan(label_free_scores(state)['SND'])


def test_all_road_wins():
    """Why it is for comparison alone."""
    road = certain_logits(torch.zeros(2, 8, 8).long())
    scores = label_free_scores(state_of(road))
    usual = label_free_scores(state_of(random_logits(2, (8, 8))))
    assert scores['SND'] > usual['SND']
    highest = -math.log(1 / 64 + 1e-5)
    assert scores['SND'] == pytest.approx(highest, rel=1e-6)
    assert scores['BNM_r'] < usual['BNM_r']
    assert scores['CBPE_mIoU'] < usual['CBPE_mIoU']
