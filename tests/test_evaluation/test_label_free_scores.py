"""Label-free scores against closed forms."""

import math

import pytest
import torch
from label_free_cases import CLASSES, certain_logits, random_logits, rows_of

from mmuda.evaluation.label_free_scores import (
    agreement,
    certainty,
    class_ratio,
    consistency,
    corr_c,
    information_maximisation,
    label_free_scores,
    mano,
    mean_iou,
    normalised_nuclear_norm,
    nuclear_norm,
    relaxed_information_maximisation,
)
from mmuda.evaluation.label_free_state import LabelFreeState

EVEN = torch.full((CLASSES,), 0.25, dtype=torch.float64)


def state_of(logits):
    state = LabelFreeState(logits.shape[1])
    state.update(logits)
    return state


def even_labels():
    """Two images in which each class has as many pixels."""
    return torch.arange(CLASSES).repeat(6).view(2, 3, CLASSES)


def test_nuclear_norm_is_that_of_the_stacked_matrix():
    logits = random_logits()
    state, rows = state_of(logits), rows_of(logits)
    expected = torch.linalg.matrix_norm(rows, ord='nuc')
    assert float(nuclear_norm(state['gram'])) == pytest.approx(
        float(expected), rel=1e-6
    )
    scores = label_free_scores(state)
    scale = math.sqrt(rows.numel())
    assert scores['BNM'] == pytest.approx(float(expected) / scale, rel=1e-6)


@pytest.mark.parametrize(
    ('logits', 'expected'),
    [
        (certain_logits(even_labels()), 1),
        (torch.zeros(2, CLASSES, 3, 4), 1 / CLASSES),
        (certain_logits(torch.zeros(2, 3, 4).long()), CLASSES**-0.5),
    ],
)
def test_normalised_nuclear_norm(logits, expected):
    scores = label_free_scores(state_of(logits))
    assert scores['BNM'] == pytest.approx(expected, rel=1e-6)


def test_regions_weigh_rare_classes_as_frequent_ones():
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[0, 0, 1:CLASSES] = torch.arange(1, CLASSES)
    scores = label_free_scores(state_of(certain_logits(labels)))
    assert scores['BNM_r'] == pytest.approx(1, rel=1e-6)
    assert scores['BNM'] == pytest.approx((math.sqrt(97) + 3) / 20, rel=1e-6)


def test_no_rows_have_no_norm():
    assert math.isnan(normalised_nuclear_norm(torch.zeros(2, 2), 0))


def test_corr_c():
    even = state_of(certain_logits(even_labels()))
    assert corr_c(even['gram']) == pytest.approx(-math.sqrt(CLASSES))
    one = state_of(certain_logits(torch.zeros(1, 3, 4).long()))
    assert corr_c(one['gram']) == pytest.approx(-1)


@pytest.mark.parametrize(
    ('logits', 'expected'),
    [(torch.zeros(1, CLASSES, 2, 2), 0), (certain_logits(even_labels()), 1)],
)
def test_certainty(logits, expected):
    assert certainty(state_of(logits)) == pytest.approx(expected, abs=1e-6)


def test_information_maximisation():
    certain = state_of(certain_logits(even_labels()))
    assert information_maximisation(certain) == pytest.approx(0, abs=1e-6)
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1])
    expected = -0.25 * sum(math.log(0.25 / p) for p in prior.tolist())
    found = information_maximisation(certain, prior)
    assert found == pytest.approx(expected, rel=1e-6)
    # 0.5 * prior: no class is below it
    found = relaxed_information_maximisation(certain, prior)
    assert found == pytest.approx(0, abs=1e-6)
    one = state_of(certain_logits(torch.zeros(1, 2, 2).long()))
    found = relaxed_information_maximisation(one, prior)
    assert found == pytest.approx(-0.5 * 0.6, rel=1e-6)


def test_a_class_that_the_source_lacks():
    prior = torch.tensor([0.5, 0.5, 0.0, 0.0])
    found = information_maximisation(
        state_of(certain_logits(even_labels())), prior
    )
    assert -10 < found < -5


def test_mano_takes_softmax_where_predictions_are_certain():
    state = state_of(certain_logits(even_labels()))
    assert mano(state) == pytest.approx((1 / CLASSES) ** 0.25, rel=1e-6)


def test_mano_takes_taylor_elsewhere():
    logits = torch.tensor([0.0, 1.0, 2.0]).view(1, 3, 1, 1)
    powers = ((1.5 / 5.5) ** 4 + (4 / 5.5) ** 4) / 3
    assert mano(state_of(logits)) == pytest.approx(powers**0.25, rel=1e-6)


def test_mean_iou_and_agreement():
    table = torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert mean_iou(table) == pytest.approx(100 * (3 / 4 + 4 / 5) / 2)
    assert agreement(table) == pytest.approx(700 / 8)
    assert math.isnan(mean_iou(torch.zeros(2, 2)))
    assert math.isnan(agreement(torch.zeros(2, 2)))


def test_class_ratio():
    state = state_of(certain_logits(even_labels()))
    torch.testing.assert_close(class_ratio(state), EVEN, rtol=1e-6, atol=0)


def test_all_road_loses_by_the_nuclear_norm_and_wins_by_consistency():
    """The reason why no score is enough alone."""
    road = certain_logits(torch.zeros(4, 8, 8).long())
    usual = random_logits(4, (8, 8))
    found = []
    for logits in (road, usual):
        state = LabelFreeState(CLASSES)
        labels = state.update(logits)
        # a second view whose scores are a little different
        other = state_of(logits).update(
            logits + random_logits(4, (8, 8), seed=1, scale=0.5)
        )
        for pair in zip(labels, other, strict=True):
            state.update_views(*pair)
        found.append(label_free_scores(state, EVEN))
    assert found[0]['BNM_r'] < found[1]['BNM_r']
    assert found[0]['IM_s'] < found[1]['IM_s']
    assert found[0]['consistency'] == 100 > found[1]['consistency']
    assert found[0]['certainty'] > found[1]['certainty']


def test_scores_that_need_more_are_left_out():
    scores = label_free_scores(state_of(random_logits()))
    assert not {'consistency', 'IM_s', 'IM_s_relaxed'} & scores.keys()


def test_iou_and_dice_of_probabilities():
    logits = random_logits()
    p, state = rows_of(logits), state_of(logits)
    labels = p.argmax(1)
    ious, dices = [], []
    for index in range(CLASSES):
        predicted, mass = labels == index, p[:, index]
        right = float(mass[predicted].sum())
        wrong = float((1 - mass[predicted]).sum())
        missed = float(mass[~predicted].sum())
        ious.append(100 * right / (right + wrong + missed))
        dices.append(200 * right / float(predicted.sum() + mass.sum()))
    scores = label_free_scores(state)
    mean = pytest.approx(sum(ious) / CLASSES, rel=1e-5)
    assert scores['CBPE_mIoU'] == mean
    mean = pytest.approx(sum(dices) / CLASSES, rel=1e-5)
    assert scores['soft_Dice'] == mean
    norm = float(torch.linalg.matrix_norm(p)) / math.sqrt(len(p))
    assert scores['FBNM'] == pytest.approx(norm, rel=1e-5)


def test_without_a_pixel_nothing_is_known():
    scores = label_free_scores(LabelFreeState(CLASSES), EVEN)
    assert scores
    assert all(map(math.isnan, scores.values())), scores


def test_consistency():
    state = state_of(random_logits())
    state.update_views(torch.tensor([[0, 1]]), torch.tensor([[0, 2]]))
    assert consistency(state) == pytest.approx(100 / 3)
