import zipfile

import numpy as np
import pytest

from mmuda.datasets.pseudo_labels.soft_labels import (
    read_soft_label,
    write_soft_label,
)
from mmuda.utils.errors import ConfigError, DataError

# Spacing of float16 below 1.
ROUNDING = 2**-11


def random_probabilities(num_classes=19, size=(5, 7)):
    logits = np.random.default_rng(0).normal(0, 4, (num_classes, *size))
    odds = np.exp(logits)
    return odds / odds.sum(0)


def saved(path, probabilities, top_k=None):
    write_soft_label(path, probabilities, top_k)
    return read_soft_label(path)


def column(*values):
    """Probabilities of one pixel, (C, 1, 1)."""
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_all_probabilities(tmp_path):
    expected = random_probabilities()
    soft = saved(tmp_path / 'a.npz', expected)
    assert soft.dtype == np.float32
    assert np.abs(soft - expected).max() <= ROUNDING


@pytest.mark.parametrize('top_k', [None, 1, 3, 18, 19, 40])
def test_pixels_sum_to_one(tmp_path, top_k):
    soft = saved(tmp_path / 'a.npz', random_probabilities(), top_k)
    assert soft.shape == (19, 5, 7)
    assert np.abs(soft.sum(0) - 1).max() < 1e-6


def test_rest_is_spread_evenly(tmp_path):
    soft = saved(tmp_path / 'a.npz', column(0.05, 0.5, 0.05, 0.25, 0.15), 2)
    expected = column(0.25 / 3, 0.5, 0.25 / 3, 0.25, 0.25 / 3)
    assert np.allclose(soft, expected, atol=1e-6)


def test_largest_classes_keep_their_probabilities(tmp_path):
    expected = random_probabilities()
    soft = saved(tmp_path / 'a.npz', expected, 3)
    largest = np.sort(expected, axis=0)[-3:]
    assert np.abs(np.sort(soft, axis=0)[-3:] - largest).max() <= 2 * ROUNDING
    assert np.array_equal(soft.argmax(0), expected.argmax(0))


def test_first_of_equal_classes_is_saved(tmp_path):
    write_soft_label(tmp_path / 'a.npz', column(0.2, 0.4, 0.4), 1)
    with np.load(tmp_path / 'a.npz') as file:
        assert file['classes'].item() == 1


def test_types_on_disk(tmp_path):
    write_soft_label(tmp_path / 'a.npz', random_probabilities(), 3)
    with np.load(tmp_path / 'a.npz') as file:
        assert file['probabilities'].dtype == np.float16
        assert file['probabilities'].shape == file['classes'].shape
        assert file['classes'].dtype == np.uint8
        assert file['num_classes'] == 19


def test_file_holds_no_date(tmp_path):
    write_soft_label(tmp_path / 'a.npz', random_probabilities(), None)
    with zipfile.ZipFile(tmp_path / 'a.npz') as file:
        assert file.infolist()[0].date_time[0] == 1980


def test_sums_of_several_networks_are_divided(tmp_path):
    soft = saved(tmp_path / 'a.npz', column(1.5, 0.5, 0), None)
    assert soft.ravel().tolist() == [0.75, 0.25, 0]


@pytest.mark.parametrize('top_k', [None, 2])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_pixel_that_is_no_number_has_no_label(tmp_path, top_k, value):
    probabilities = random_probabilities()
    probabilities[4, 2, 3] = value
    soft = saved(tmp_path / 'a.npz', probabilities, top_k)
    assert not soft[:, 2, 3].any()
    assert abs(soft.sum() - 34) < 1e-4


def test_folder_of_the_key_is_made(tmp_path):
    assert saved(tmp_path / 'ulm/x/a.npz', column(1, 0)).shape == (2, 1, 1)


def test_top_zero(tmp_path):
    with pytest.raises(ConfigError, match='top_k=0'):
        write_soft_label(tmp_path / 'a.npz', column(1, 0), 0)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r'a\.npz.*No such file'):
        read_soft_label(tmp_path / 'a.npz')


@pytest.mark.parametrize('part', [0.0, 0.3, 0.9])
def test_cut_file(tmp_path, part):
    path = tmp_path / 'a.npz'
    write_soft_label(path, random_probabilities(), 3)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(DataError, match=r"a\.npz': it is damaged"):
        read_soft_label(path)


def test_file_with_flipped_bits(tmp_path):
    path = tmp_path / 'a.npz'
    write_soft_label(path, random_probabilities(), None)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.npz': it is damaged"):
        read_soft_label(path)


@pytest.mark.parametrize(
    'arrays',
    [
        {'other': np.zeros(3)},
        {'probabilities': np.zeros((2, 2))},
        {
            'probabilities': np.ones((1, 2, 2)),
            'classes': np.full((1, 2, 2), 7, np.uint8),
            'num_classes': 3,
        },
    ],
)
def test_file_of_something_else(tmp_path, arrays):
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(DataError, match=r"a\.npz': it is damaged"):
        read_soft_label(tmp_path / 'a.npz')
