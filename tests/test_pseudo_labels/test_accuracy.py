"""Counting right pseudo-labels."""

import cv2
import numpy as np
import pytest
from labeling_runs import dataset_config

from mmuda.pseudo_labels.labelling_options import ground_truth_of
from mmuda.pseudo_labels.labelling_report import (
    count_correct,
    measure_accuracy,
    share_changed,
)
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

TRUTH = np.array([[0, 0, 1, 1], [2, 2, 255, 0]], dtype=np.uint8)
LABEL = np.array([[0, 1, 1, 255], [2, 0, 2, 255]], dtype=np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), array)


def test_counts_by_class():
    correct, judged, true = count_correct(LABEL, TRUTH, 3)
    assert correct.tolist() == [1, 1, 1]
    assert judged.tolist() == [2, 2, 1]
    assert true.tolist() == [3, 2, 2]


@pytest.fixture
def measured(tmp_path):
    """Labels of twice the size of the pseudo-labels."""
    write(tmp_path / 'images/a/0.png', np.zeros((4, 8, 3), np.uint8))
    write(tmp_path / 'labels/a/0.png', np.kron(TRUTH, np.ones((2, 2))))
    write(tmp_path / 'out/a/0.png', LABEL)
    config = dataset_config(tmp_path, label_table=None)
    dataset = DATASETS.build(ground_truth_of(config, 'labels'))
    return measure_accuracy(tmp_path / 'out', dataset)


def test_precision_is_the_right_share_of_each_pseudo_label(measured):
    np.testing.assert_allclose(measured.precision[:3], [50, 50, 100])


def test_precision_of_a_class_without_pseudo_labels_is_unknown(measured):
    assert np.isnan(measured.precision[3:]).all()


def test_recall_is_the_share_of_each_true_class(measured):
    np.testing.assert_allclose(measured.recall[:3], [100 / 3, 50, 50])


def test_overall_precision(measured):
    assert measured.overall == pytest.approx(60)


def test_missing_pseudo_label_is_named(tmp_path, measured):
    (tmp_path / 'out/a/0.png').unlink()
    config = dataset_config(tmp_path, label_table=None)
    dataset = DATASETS.build(ground_truth_of(config, 'labels'))
    with pytest.raises(DataError, match=r'a/0\.png'):
        measure_accuracy(tmp_path / 'out', dataset)


def test_share_of_changed_pixels(tmp_path):
    write(tmp_path / 'old/k.png', TRUTH)
    write(tmp_path / 'new/k.png', LABEL)
    changed = share_changed(tmp_path / 'old', tmp_path / 'new', ['k'])
    assert changed == pytest.approx(5 / 8)
