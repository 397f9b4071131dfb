"""The lower thresholds of two models."""

import pytest
from labelled_images import in_memory, statistics

from mmuda.procedures.selection import minimum_thresholds
from mmuda.pseudo_labels.fixed_rules import FixedThresholds
from mmuda.utils.errors import DataError


def labelled(*thresholds):
    return in_memory(statistics([[1] * len(thresholds)]), thresholds)


def test_the_lower_threshold_of_each_class():
    first, second = labelled(0.5, 0.9, 0.7), labelled(0.6, 0.7, 0.8)
    assert minimum_thresholds(first, second) == [0.5, 0.7, 0.7]
    assert minimum_thresholds(second, first) == [0.5, 0.7, 0.7]


def test_the_other_models_threshold_counts_if_one_has_none():
    first, second = labelled(None, 0.9, None), labelled(0.6, None, None)
    assert minimum_thresholds(first, second) == [0.6, 0.9, None]


def test_the_rule_takes_them_as_they_are():
    lowest = minimum_thresholds(labelled(None, 0.5), labelled(None, 0.25))
    assert FixedThresholds(lowest).thresholds == [None, 0.25]


def test_other_classes_have_no_common_thresholds():
    with pytest.raises(DataError, match=r'other classes \(a, b; a\)'):
        minimum_thresholds(labelled(0.5, 0.5), labelled(0.5))
