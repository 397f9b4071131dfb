"""Thresholds that are given."""

import numpy as np
import pytest
import torch

from mmuda.evaluation.score_histogram import ScoreHistogram
from mmuda.pseudo_labels.fixed_rules import FixedThresholds
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.utils.errors import ConfigError

CLASSES = ('road', 'traffic light', 'sky')


def bins_of(rule, bins=4096, classes=3):
    return rule.threshold_bins(ScoreHistogram(classes, bins))


def build(thresholds, classes=CLASSES):
    rule = dict(type='FixedThresholds', thresholds=thresholds)
    options = PseudoLabelOptions(rule=rule, pipeline=[])
    return options.build_rule(classes)


def test_confidences_are_kept_from_the_threshold_on():
    rule = FixedThresholds([0.5, None, 0.75])
    labels = np.array([0, 0, 1, 2, 2, 255], np.uint8)
    scores = np.array([2047, 2048, 4095, 3071, 3072, 4095])
    thresholds = bins_of(rule).numpy()
    kept = rule.keep(labels, scores, thresholds)
    assert kept.tolist() == [False, True, False, False, True, False]


def test_a_threshold_of_one_keeps_the_last_bin():
    assert bins_of(FixedThresholds([1.0, 0.0, 1])).tolist() == [4095, 0, 4095]


@pytest.mark.parametrize('bins', [4096, 5000, 9999])
def test_thresholds_of_a_manifest_are_the_same_bins(bins):
    for start in range(0, bins, 499):
        limits = np.arange(start, min(start + 499, bins))
        values = FixedThresholds([0.0]).threshold_values(limits, bins)
        again = bins_of(FixedThresholds(values), bins, len(values))
        assert again.tolist() == limits.tolist()


def test_bins_are_whole_numbers():
    assert bins_of(FixedThresholds([0.5, None, 0.1])).dtype == torch.int64


def test_thresholds_by_name_are_put_in_order():
    given = {'sky': 0.3, 'road': None, 'traffic light': 0.2}
    assert build(given).thresholds == [None, 0.2, 0.3]


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (CLASSES[:2], "thresholds lacks class 'sky'"),
        ((*CLASSES, 'sea'), "has the unknown class 'sea'.* road, traffic"),
    ],
)
def test_other_names_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        build(dict.fromkeys(names, 0.5))


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ([0.5, 1.5, 0.5], 'thresholds=1.5'),
        (0.5, 'must be a list'),
        (['a', 0.5, 0.5], r"thresholds\[0\]='a': must be a finite number"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        build(values)


def test_another_number_of_classes_is_refused():
    with pytest.raises(ConfigError, match='2 thresholds for 3 classes'):
        build([0.5, 0.5]).check(3)
