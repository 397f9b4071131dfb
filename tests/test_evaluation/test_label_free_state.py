"""Sums over predictions: exact, additive, whatever the batches."""

import math

import gloo
import numpy as np
import pytest
import torch
from label_free_cases import CLASSES, random_logits, rows_of
from mmengine.dist import get_rank, get_world_size

from mmuda.evaluation.label_free_state import (
    LabelFreeState,
    taylor_probabilities,
)
from mmuda.models.segmentors.strips import upsampled


def summed(*parts, **options):
    state = LabelFreeState(CLASSES)
    for part in parts:
        state.update(part, **options)
    return state


def require_equal(first, second):
    """Whole numbers to the bit, others to 1e-9."""
    assert torch.equal(first.confidences.counts, second.confidences.counts)
    for name, value in first.sums.items():
        other = second[name]
        if value.dtype == torch.int64:
            assert torch.equal(value, other), name
        else:
            torch.testing.assert_close(
                value, other, rtol=1e-9, atol=0, equal_nan=True
            )


def test_sums_are_those_of_all_pixels():
    logits = random_logits()
    p, state = rows_of(logits), summed(logits)
    exact = dict(rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state['gram'], p.t() @ p, **exact)
    torch.testing.assert_close(state['probability'], p.sum(0), **exact)
    entropy = -(p * p.log()).sum()
    torch.testing.assert_close(state['entropy'], entropy, **exact)
    torch.testing.assert_close(state['fourth_powers'], p.pow(4).sum(), **exact)
    hot = torch.nn.functional.one_hot(p.argmax(1), CLASSES).double()
    torch.testing.assert_close(state['soft_confusion'], hot.t() @ p, **exact)
    assert state['predicted'].tolist() == hot.sum(0).tolist()
    assert (state['pixels'], state['images']) == (len(p), 3)


def test_regions_are_the_classes_of_each_image():
    logits = random_logits()
    state, regions = summed(logits), []
    for image in logits:
        p = rows_of(image[None])
        for index in range(CLASSES):
            chosen = p[p.argmax(1) == index]
            if len(chosen):
                regions.append(chosen.mean(0))
    rows = torch.stack(regions)
    assert state['regions'] == len(rows)
    torch.testing.assert_close(
        state['region_gram'], rows.t() @ rows, rtol=1e-5, atol=1e-6
    )


def test_confidences_are_counted_by_predicted_class():
    logits = random_logits()
    p, histogram = rows_of(logits), summed(logits).confidences
    confidence, label = p.max(1)
    for index in range(CLASSES):
        expected, _ = np.histogram(
            confidence[label == index], bins=4096, range=(0, 1)
        )
        found = histogram.counts[index].numpy()
        # A score beside an edge may fall into the next bin by rounding.
        assert np.abs(np.cumsum(found - expected)).max() <= 1


def test_equal_neighbours():
    labels = torch.tensor([[[0, 0, 1], [0, 2, 1]]])
    logits = torch.nn.functional.one_hot(labels, CLASSES).movedim(3, 1)
    state = summed(9.0 * logits)
    assert (state['neighbours'], state['equal_neighbours']) == (7, 3)
    assert state['images_with'].tolist() == [1, 1, 1, 0]


def test_two_views():
    state = LabelFreeState(3)
    first = torch.tensor([[0, 0, 1], [2, 255, 1]])
    second = torch.tensor([[0, 1, 1], [2, 2, 255]])
    state.update_views(first, second)
    assert state['views'].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert state['view_images'] == 1


@pytest.mark.parametrize('size', [1, 2, 5])
def test_batches_do_not_matter(size):
    logits = random_logits(5, (33, 41))
    require_equal(summed(*logits.split(size)), summed(logits))


def test_padding_and_what_is_no_number_do_not_count():
    logits = random_logits(2)
    valid = torch.ones(2, 5, 7, dtype=torch.bool)
    valid[1, :, 4:] = False
    broken = logits.clone()
    broken[1, :, :, 4:] = math.nan
    expected = summed(logits[:1], logits[1:, :, :, :4])
    for state in (summed(logits, valid=valid), summed(broken)):
        require_equal(state, expected)


def test_probabilities_instead_of_logits():
    logits = random_logits()
    state, expected = (
        summed(logits.softmax(1), are_logits=False),
        summed(logits),
    )
    assert math.isnan(state['fourth_powers_taylor'])
    for name in ('gram', 'entropy', 'region_gram', 'uniform_cross_entropy'):
        torch.testing.assert_close(
            state[name], expected[name], rtol=1e-5, atol=1e-5
        )


def test_certain_probabilities_stay_finite():
    state = summed(torch.eye(CLASSES)[None, ..., None], are_logits=False)
    assert state['entropy'] == 0
    assert state['uniform_cross_entropy'].isfinite()


def test_strips_are_the_whole_image():
    small = random_logits(1, (9, 13))
    whole = upsampled(small, (90, 131), False).whole()
    strips = upsampled(small, (90, 131), False)
    state, labels = LabelFreeState(CLASSES), whole.argmax(1)
    assert torch.equal(state.update(strips), labels.to(torch.uint8))
    require_equal(state, summed(whole))


def test_taylor_probabilities_by_hand():
    # 1 + z + z^2 / 2 is 1, 2.5 and 5; less the least 0, 1.5 and 4
    found = taylor_probabilities(torch.tensor([[0.0, 1.0, 2.0]]))
    expected = torch.tensor([[0, 1.5 / 5.5, 4 / 5.5]])
    torch.testing.assert_close(found, expected)


def share_of_process():
    logits, state = random_logits(5), LabelFreeState(CLASSES)
    for image in logits[get_rank() :: get_world_size()]:
        labels = state.update(image[None])
        state.update_views(labels[0], labels[0].flip(1))
    state.all_reduce()
    return state.sums, state.confidences.counts


def test_processes_do_not_matter(tmp_path):
    alone = LabelFreeState(CLASSES)
    alone.sums, alone.confidences.counts = share_of_process()
    for sums, counts in gloo.run(share_of_process, tmp_path):
        state = LabelFreeState(CLASSES)
        state.sums, state.confidences.counts = sums, counts
        require_equal(state, alone)
    assert alone['view_images'] == 5


def test_packed_sums_are_added():
    logits, total = random_logits(), LabelFreeState(CLASSES)
    for image in logits.split(1):
        total.add_packed(summed(image).packed())
    require_equal(total, summed(logits))
    assert len(summed(logits[:1]).packed()) < 200


def test_packed_sums_of_other_classes():
    with pytest.raises(ValueError, match='of other classes'):
        LabelFreeState(2, 16).add_packed(summed(random_logits()).packed())


def test_packed_sums_of_another_version():
    state = summed(random_logits())
    packed = state.packed()
    older = LabelFreeState(CLASSES)
    del older.sums['density']
    assert older.packed()[0] != packed[0]
    for numbers in (packed[1:], packed[:0], older.packed()):
        with pytest.raises(ValueError, match='another version'):
            LabelFreeState(CLASSES).add_packed(numbers)


def test_a_moved_state_is_a_copy():
    state = summed(random_logits())
    moved = state.to('cpu')
    state.update(random_logits())
    assert moved['images'] * 2 == state['images']
