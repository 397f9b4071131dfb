"""Expected accuracy, worked out by hand."""

import math

import gloo
import pytest
import torch
from label_free_cases import random_logits
from mmengine.dist import get_rank, get_world_size

from mmuda.evaluation.accuracy_estimates import (
    SourceState,
    difference_of_confidences,
    estimate_accuracy,
    threshold_bins,
)
from mmuda.evaluation.label_free_state import LabelFreeState


def pixels(*rows):
    """Probabilities (1, C, 1, pixels) of some pixels."""
    return torch.tensor(rows, dtype=torch.float64).t()[None, :, None]


def source_state(rows, truth):
    state = SourceState(len(rows[0]))
    state.update(pixels(*rows), torch.tensor(truth).view(1, 1, -1))
    return state


def target_state(rows):
    state = LabelFreeState(len(rows[0]))
    state.update(pixels(*rows), are_logits=False)
    return state


# Of class 0 half is right (0.9 and 0.8, not 0.7 and 0.6), of class 1 all.
SOURCE = [
    *[[0.9, 0.1, 0], [0.8, 0.1, 0.1], [0.7, 0.3, 0], [0.6, 0.2, 0.2]],
    *[[0.2, 0.8, 0], [0.3, 0.7, 0]],
]
TRUTH = [0, 0, 1, 2, 1, 1]
# Of class 0 one in four reaches 0.8; of class 1 two of two reach 0.7.
TARGET = [
    *[[0.9, 0.1, 0], [0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]],
    *[[0.2, 0.8, 0], [0.25, 0.75, 0]],
]


def test_thresholds_by_hand():
    source = source_state(SOURCE, TRUTH)
    found = threshold_bins(source.right.counts, source.wrong.counts)
    assert found.tolist() == [int(0.8 * 4096), int(0.7 * 4096), 4096]


def test_nothing_right_is_above_all():
    right, wrong = torch.zeros(1, 4).long(), torch.tensor([[0, 2, 0, 3]])
    assert threshold_bins(right, wrong).tolist() == [4]


def test_expected_iou_by_hand():
    found = estimate_accuracy(
        target_state(TARGET), source_state(SOURCE, TRUTH)
    )
    assert found.precision[:2].tolist() == [0.25, 1]
    # Of the 4 pixels of class 0 three are wrong, and its other probabilities
    # are 0.1 + 0.2 + 0.3 + 0.3 of class 1 and 0.3 of class 2: 3/4 of three
    # pixels are missing from class 1.
    assert found.iou[0] == pytest.approx(100 * 1 / 4)
    assert found.iou[1] == pytest.approx(100 * 2 / (2 + 2.25))
    assert found.left_out == [2]
    assert found.mean_iou == pytest.approx((25 + 200 / 4.25) / 2)
    assert found.mean_precision == pytest.approx(50)


def test_the_source_is_estimated_as_it_is():
    """Where target and source are one, ATC gives the precision."""
    generator = torch.Generator().manual_seed(0)
    logits = random_logits(4, (40, 40)).double()
    truth = torch.randint(0, 4, (4, 40, 40), generator=generator)
    logits.scatter_add_(
        1, truth[:, None], torch.full((4, 1, 40, 40), 4.0, dtype=torch.float64)
    )
    source, target = SourceState(4), LabelFreeState(4)
    source.update(logits.softmax(1), truth)
    target.update(logits)
    found = estimate_accuracy(target, source)
    right = source.confusion.diagonal() / source.confusion.sum(0)
    torch.testing.assert_close(
        found.precision, right.double(), rtol=0, atol=2e-3
    )
    assert found.mean_precision == pytest.approx(source.accuracy, abs=0.2)


@pytest.mark.parametrize('missing', ['labels', 'predictions', 'pixels'])
def test_classes_that_are_left_out(missing):
    rows, truth, target = list(SOURCE), list(TRUTH), list(TARGET)
    if missing == 'labels':
        truth = [0 if true == 1 else true for true in truth]
    elif missing == 'predictions':
        rows[4:] = [[0.8, 0.2, 0], [0.7, 0.3, 0]]
    else:
        target = target[:4]
    found = estimate_accuracy(target_state(target), source_state(rows, truth))
    assert found.left_out == [1, 2]


@pytest.mark.parametrize(('times', 'missing'), [(2499, [2]), (2501, [1, 2])])
def test_a_class_of_less_than_a_ten_thousandth_is_left_out(times, missing):
    target = target_state([*(TARGET[:4] * times), TARGET[4]])
    found = estimate_accuracy(target, source_state(SOURCE, TRUTH))
    assert found.left_out == missing


def test_source_pixels_of_no_numbers_do_not_count():
    nothing = [[math.nan] * 3]
    found = source_state(SOURCE + nothing, [*TRUTH, 0])
    known = source_state(SOURCE, TRUTH)
    assert torch.equal(found.confusion, known.confusion)
    assert found.confidence == known.confidence


def test_nothing_to_estimate():
    empty = estimate_accuracy(LabelFreeState(3), SourceState(3))
    assert math.isnan(empty.mean_iou)
    assert math.isnan(empty.mean_precision)


def test_difference_of_confidences_by_hand():
    found = difference_of_confidences(
        target_state(TARGET), source_state(SOURCE, TRUTH)
    )
    # 4 of 6 are right; confidences sum to 4.5 and 4.35
    assert found == pytest.approx(100 * (4 / 6 - 4.5 / 6 + 4.35 / 6))


def test_source_state_by_hand():
    source = source_state([*SOURCE, [1, 0, 0]], [*TRUTH, 255])
    assert source.confusion.tolist() == [[2, 0, 0], [1, 2, 0], [1, 0, 0]]
    assert source.class_ratio.tolist() == pytest.approx([2 / 6, 3 / 6, 1 / 6])
    assert source.mean_iou == pytest.approx(100 * (2 / 4 + 2 / 3) / 3)
    assert source.accuracy == pytest.approx(400 / 6)


def of_process():
    state = SourceState(3)
    every = list(zip(SOURCE, TRUTH, strict=True))
    for row, true in every[get_rank() :: get_world_size()]:
        state.update(pixels(row), torch.tensor(true).view(1, 1, 1))
    state.all_reduce()
    return (
        state.confusion,
        state.right.counts,
        state.wrong.counts,
        state.images,
    )


def test_processes_do_not_matter(tmp_path):
    alone = of_process()
    for found in gloo.run(of_process, tmp_path):
        assert all(map(torch.equal, found, alone))
    assert alone[-1] == 6
