import csv
import io
import re

import cv2
import numpy as np
import pytest
import torch

from mmuda.evaluation.confusion_matrix import (
    ConfusionMatrix,
    count_confusion,
    draw_confusion,
)
from mmuda.utils.errors import DataError

CLASSES = ('road', 'car', 'sky', 'bike')
# Rows are true classes; sky is never predicted, bike does not occur.
COUNTS = np.array(
    [
        [6, 2, 0, 0, 2],
        [1, 3, 0, 0, 0],
        [0, 1, 0, 0, 3],
        [0, 0, 0, 0, 0],
    ]
)


def count(truth, prediction, num_classes=3, **options):
    pair = (torch.tensor(values) for values in (truth, prediction))
    return count_confusion(*pair, num_classes, **options).tolist()


@pytest.fixture
def matrix():
    return ConfusionMatrix(CLASSES, COUNTS)


def test_rows_are_true_classes():
    truth = [[0, 0, 1], [1, 2, 2]]
    prediction = [[0, 1, 1], [1, 0, 2]]
    assert count(truth, prediction) == [
        [1, 1, 0, 0],
        [0, 2, 0, 0],
        [1, 0, 1, 0],
    ]


def test_ignored_pixels_do_not_count():
    assert count([[255, 0]], [[0, 0]])[0] == [1, 0, 0, 0]


def test_another_ignored_value():
    assert count([[2, 255]], [[2, 2]], 256, ignore_index=255)[2][2] == 1


@pytest.mark.parametrize('value', [3, 255])
def test_predictions_of_no_class_are_rejected(value):
    assert count([[0, 1]], [[value, 1]]) == [
        [0, 0, 0, 1],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
    ]


def test_unsigned_bytes_do_not_overflow():
    truth = np.full((1, 2), 18, np.uint8)
    found = count_confusion(*[torch.from_numpy(truth)] * 2, 19)
    assert found[18, 18] == 2
    assert found.sum() == 2


def test_nothing_known():
    assert count([[255]], [[1]], 2) == [[0, 0, 0], [0, 0, 0]]


def test_other_sizes():
    with pytest.raises(DataError, match=r'\(1, 2\).*prediction \(1, 1\)'):
        count([[0, 0]], [[0]])


def test_a_true_class_that_does_not_exist():
    with pytest.raises(DataError, match='class 3, but there are 3 classes'):
        count([[3]], [[0]])


def test_precision(matrix):
    wanted = [600 / 7, 50, np.nan, np.nan]
    assert matrix.precision == pytest.approx(wanted, nan_ok=True)


def test_rejected_pixels_lower_recall(matrix):
    wanted = [60, 75, 0, np.nan]
    assert matrix.recall == pytest.approx(wanted, nan_ok=True)


def test_rejected_pixels_lower_iou(matrix):
    wanted = [600 / 11, 300 / 7, 0, np.nan]
    assert matrix.iou == pytest.approx(wanted, nan_ok=True)


def test_rejected_shares(matrix):
    wanted = [20, 0, 75, np.nan]
    assert matrix.rejected == pytest.approx(wanted, nan_ok=True)


def test_the_table_ends_in_means_of_what_is_known(matrix):
    row = matrix.table().splitlines()[-2]
    assert re.findall(r'[\w.]+', row)[1:] == [
        '67.86',
        '45.00',
        '32.47',
        '31.67',
    ]


def test_csv_holds_the_counts(matrix):
    heading, *rows = csv.reader(io.StringIO(matrix.csv_text()))
    assert heading[1:] == [*CLASSES, 'rejected']
    assert [row[0] for row in rows] == [*CLASSES]
    assert np.array([row[1:] for row in rows], int).tolist() == COUNTS.tolist()


def test_files(matrix, tmp_path):
    matrix.save(tmp_path / 'new')
    names = {path.name for path in (tmp_path / 'new').iterdir()}
    assert names == {'confusion_matrix.csv', 'confusion_matrix.png'}
    text = (tmp_path / 'new/confusion_matrix.csv').read_text()
    assert text == matrix.csv_text()


def test_the_picture_grows_with_the_classes(tmp_path):
    sizes = []
    for number in (4, 19):
        names = tuple(f'class {i}' for i in range(number))
        counts = np.eye(number, number + 1, dtype=int)
        ConfusionMatrix(names, counts).save(tmp_path)
        picture = cv2.imread(str(tmp_path / 'confusion_matrix.png'))
        sizes.append(picture.shape[0])
    # A number of two digits needs some 20 pixels.
    assert sizes[1] - sizes[0] >= 15 * 40


def texts(shares, columns):
    axes = draw_confusion(np.array(shares), ('a', 'b'), columns).axes[0]
    return {
        (text.get_position()[1], text.get_position()[0]): text.get_text()
        for text in axes.texts
    }


def test_cells_hold_rounded_shares_of_rows():
    found = texts([[99.6, 0.4], [25.2, 74.8]], ('a', 'b'))
    assert found == {(0, 0): '100', (1, 0): '25', (1, 1): '75'}


def test_a_row_without_pixels_stays_empty():
    found = texts([[np.nan] * 3, [0, 50, 50]], ('a', 'b', 'rejected'))
    assert found == {(1, 1): '50', (1, 2): '50'}
