"""Orders of checkpoints, worked out by hand."""

import math

import pytest

from mmuda.model_selection.score_ranks import (
    best_first,
    descending_ranks,
    fused_weights,
    mean_ranks,
    passes_guard,
)


def test_ranks_share_their_mean():
    found = descending_ranks([0.5, 0.9, 0.5, math.nan, -1])
    assert found.tolist() == [2.5, 1, 2.5, 5, 4]


def row(source=None, **scores):
    return scores if source is None else dict(scores, source_mIoU=source)


def test_mean_ranks_over_what_is_there():
    rows = [row(BNM=b, ATC_mIoU=a) for b, a in [(3, 1), (2, 3), (1, 2)]]
    assert fused_weights(rows) == {'BNM': 2, 'ATC_mIoU': 1}
    # (2 * 1 + 3) / 3, (2 * 2 + 1) / 3, (2 * 3 + 2) / 3: equal ones in order.
    assert mean_ranks(rows) == pytest.approx([5 / 3, 5 / 3, 8 / 3])
    assert best_first(rows) == [0, 1, 2]


def test_what_counts_may_be_weighed_otherwise():
    rows = [row(BNM=3, EnsV=1), row(BNM=2, EnsV=3), row(BNM=1, EnsV=2)]
    weights = dict(BNM=1, EnsV=3, certainty=5)
    assert fused_weights(rows, weights) == dict(BNM=1, EnsV=3)
    assert mean_ranks(rows, weights).tolist() == [2.5, 1.25, 2.25]


def test_without_any_score():
    assert math.isnan(mean_ranks([row(certainty=1)])[0])
    rows = [row(10, certainty=1), row(40, certainty=2), row(40, certainty=3)]
    assert best_first(rows) == [1, 2, 0]


def test_equal_ones_keep_their_order():
    assert best_first([row(BNM=2), row(BNM=3), row(BNM=3)]) == [1, 2, 0]


@pytest.mark.parametrize(('known', 'first'), [(35.9, 1), (36.0, 0)])
def test_what_has_forgotten_the_source_is_last(known, first):
    rows = [row(known, BNM=9), row(40, BNM=1), row(30, BNM=8)]
    assert best_first(rows)[0] == first
    assert best_first(rows)[-1] == 2


def test_without_a_source_all_pass():
    assert passes_guard([row(BNM=1), row(BNM=2)]) == [True, True]


def test_what_is_no_number_does_not_pass():
    assert passes_guard([row(40.0), row(math.nan)]) == [True, False]
