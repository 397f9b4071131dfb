"""Gains, deviations and shares on numbers worked out by hand."""

import math

import pytest

from experiments.progress import Work, remaining_seconds, seconds_each
from experiments.table_values import (
    class_count,
    closed_shares,
    gains,
    main_metric,
    spread,
    subset_means,
)

METRICS = {
    'city/aAcc': 80.0,
    'city/mIoU': 30.0,
    'city/mIoU13': 40.0,
    'city/mIoU.rain': 20.0,
    'city/IoU.road': 60.0,
    'city/IoU.train': None,
    'city/IoU.car': 0.0,
    'city/entropy': 0.2,
}


def test_main_metric_is_miou():
    assert main_metric(METRICS) == ('city/mIoU', 30.0)


def test_of_several_targets_it_is_the_mean():
    several = {**METRICS, 'idd/mIoU': 20.0, 'mean/mIoU': 25.0}
    assert main_metric(several) == ('mean/mIoU', 25.0)


def test_without_labels_there_is_none():
    name, value = main_metric({'city/entropy': 0.2, 'city/mIoU': None})
    assert name == 'mIoU'
    assert math.isnan(value)


def test_subsets_are_those_of_classes():
    assert subset_means(METRICS) == {'mIoU13': 40.0}


def test_classes_that_do_not_occur_do_not_count():
    assert class_count(METRICS) == 2


def test_spread_is_that_of_a_sample():
    assert spread([1.0, 2.0, 3.0]) == (2.0, 1.0, 3)
    assert spread([2.0]) == (2.0, None, 1)
    assert spread([]) is None


@pytest.mark.parametrize(
    ('values', 'text'),
    [([31.0, 33.0], '+32.0 ± 1.4'), ([-1.25], '−1.2'), ([-0.04], '+0.0')],
)
def test_spread_in_words(values, text):
    assert spread(values).text(sign='+') == text


def test_gains_are_those_of_one_seed():
    assert gains({0: 30.0, 1: 33.0, 5: 9.0}, {1: 31.0, 0: 29.0}) == [1.0, 2.0]


def test_shares_of_the_gap_are_those_of_one_seed():
    low, high = {0: 20.0, 1: 22.0, 2: 30.0}, {0: 40.0, 1: 42.0, 2: 30.0}
    assert closed_shares({0: 30.0, 1: 17.0, 2: 9.0, 3: 9.0}, low, high) == [
        50.0,
        -25.0,
    ]


def test_pace_of_an_unknown_row_is_that_of_all():
    pace = seconds_each([('a', 1.0), ('a', 3.0), ('b', 5.0)])
    assert pace == {'a': 2.0, 'b': 5.0, '': 3.0}
    works = [Work('a', 10), Work('c', 10, elapsed=6.0)]
    assert remaining_seconds(works, pace, 1) == 20 + 24
    assert remaining_seconds(works, pace, 2) == 24


def test_late_runs_take_no_negative_time():
    assert remaining_seconds([Work('a', 1, 9.0)], {'a': 2.0, '': 2.0}, 1) == 0
    assert remaining_seconds([], {'': 2.0}, 2) == 0
    assert remaining_seconds([Work('a', 1)], {}, 2) is None
