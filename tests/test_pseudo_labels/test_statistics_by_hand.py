"""Statistics of images that are counted by hand, and their files."""

from dataclasses import replace

import numpy as np
import pytest

from mmuda.pseudo_labels.image_statistics import ImageStatistics, count_image
from mmuda.utils.errors import DataError


def table(**changes):
    """Statistics of two images with two classes."""
    values = dict(
        keys=('a', 'b'),
        predicted=np.array([[5, 3], [4, 0]]),
        kept=np.array([[3, 1], [0, 0]]),
        score_sums=np.array([[3000, 4095], [0, 0]]),
        sizes=np.array([[2, 4], [3, 3]]),
        bins=4096,
    )
    return ImageStatistics(**values | changes)


def test_one_row_by_hand():
    label = np.array([[0, 1, 1], [255, 1, 0]], np.uint8)
    score = np.array([[10, 20, 30], [40, 50, 60]], np.uint16)
    keep = np.array([[True, True, False], [False, True, False]])
    row = count_image(label, score, keep, 3)
    assert row.tolist() == [2, 3, 0, 1, 2, 0, 10, 70, 0, 2, 3]
    assert row.dtype == np.int64


def test_large_sums_are_exact():
    label = np.zeros((1024, 2048), np.uint8)
    score = np.full(label.shape, 65535, np.uint16)
    row = count_image(label, score, label == 0, 1)
    assert row[2] == 1024 * 2048 * 65535


def test_means_by_hand():
    mean = table().mean_confidence
    np.testing.assert_allclose(mean[0], [1000 / 4096, 4095 / 4096])
    assert np.isnan(mean[1]).all()


def test_score_is_that_of_kept_pixels_only():
    score = table().score
    assert score[0] == pytest.approx(7095 / 4 / 4096, abs=1e-12)
    assert np.isnan(score[1])


def test_rejected_and_present_by_hand():
    assert table().rejected.tolist() == [4, 9]
    assert table().rejected_share.tolist() == [0.5, 1.0]
    assert table().num_classes_present.tolist() == [2, 0]


def test_written_statistics_are_read_again(tmp_path):
    table().write(tmp_path)
    assert ImageStatistics.read(tmp_path) == table()


def test_other_statistics_are_not_equal():
    assert table() != table(bins=8192)
    assert table() != table(keys=('a', 'c'))


def test_subsets_and_joined_statistics():
    last = table().subset([1])
    assert last.keys == ('b',)
    assert last.predicted.tolist() == [[4, 0]]
    assert table().subset([0]).joined(last) == table()


def test_other_bins_do_not_join():
    with pytest.raises(DataError, match='4096 bins .* 2 classes and 8192'):
        table().joined(table(bins=8192))


def test_missing_statistics_say_what_to_set(tmp_path):
    with pytest.raises(DataError, match=r'npz.*image_statistics=True'):
        ImageStatistics.read(tmp_path)


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        (dict(keys=('a', 'a')), 'a key occurs twice'),
        (dict(sizes=np.array([[2, 4]])), 'differ in shape'),
        (dict(sizes=np.array([[1, 3], [3, 3]])), 'more kept pixels than'),
        (dict(kept=np.array([[6, 1], [0, 0]])), 'more kept pixels than pred'),
        (dict(kept=np.array([[3, 1], [0, -1]])), 'or below 0'),
        (dict(bins=1000), 'outside'),
        (dict(kept=np.array([[0.5, 1], [0, 0]])), 'no whole numbers'),
        (dict(kept=np.int64(3)), 'no file of statistics|differ in shape'),
    ],
)
def test_contradictions_are_told(tmp_path, changes, fault):
    replace(table(), **changes).write(tmp_path)
    with pytest.raises(DataError, match=rf'npz.* is damaged: .*({fault})'):
        ImageStatistics.read(tmp_path)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04broken', b'no zip'])
def test_damaged_files_are_named(tmp_path, content):
    (tmp_path / 'statistics.npz').write_bytes(content)
    with pytest.raises(DataError, match=r'statistics\.npz.* is damaged'):
        ImageStatistics.read(tmp_path)
