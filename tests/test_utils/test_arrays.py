"""Files of arrays whose damage is noticed."""

import io
import random
import zipfile

import numpy as np
import pytest

from mmuda.datasets.class_statistics import ClassStatistics
from mmuda.datasets.pseudo_labels.soft_labels import (
    read_soft_label,
    write_soft_label,
)
from mmuda.pseudo_labels.image_statistics import ImageStatistics
from mmuda.utils.errors import DataError
from mmuda.utils.files import read_arrays


def packed(compressed=False, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize('compressed', [False, True])
def test_arrays_by_name(compressed):
    arrays = dict(a=np.arange(6).reshape(2, 3), b=np.float16(0.5))
    found = read_arrays(packed(compressed, **arrays))
    assert {n: (a.dtype, a.tolist()) for n, a in found.items()} == {
        n: (a.dtype, a.tolist()) for n, a in arrays.items()
    }


def soft_label(folder):
    probabilities = np.random.default_rng(0).random((5, 8, 8))
    write_soft_label(folder / 'a.npz', probabilities, top_k=2)
    return folder / 'a.npz', read_soft_label


def class_statistics(folder):
    pixels = np.random.default_rng(0).integers(0, 99, (9, 4))
    keys = tuple(f'image{i}' for i in range(9))
    ClassStatistics(tuple('abcd'), keys, pixels, ('x',) * 9).write(
        folder / 'a.npz'
    )
    return folder / 'a.npz', lambda path: ClassStatistics.read(path).pixels


@pytest.mark.parametrize('make', [soft_label, class_statistics])
def test_flipped_bytes_never_change_values_silently(tmp_path, make):
    path, read = make(tmp_path)
    whole, expected = path.read_bytes(), read(path)
    rng, refused = random.Random(1), 0
    for number in range(120):
        data = bytearray(whole)
        for position in rng.sample(range(len(data)), 1 + number % 16):
            data[position] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        try:
            values = read(path)
        except DataError:
            refused += 1
        else:
            assert np.array_equal(values, expected)
    assert refused >= 60


def test_header_that_says_less_than_there_is():
    """numpy.load would read half of it and skip the checksum."""
    data = packed(a=np.arange(60_000))
    cut = data.replace(b'(60000,)', b'(30000,)')
    assert np.load(io.BytesIO(cut))['a'].shape == (30000,)
    with pytest.raises(ValueError, match='Bad CRC-32'):
        read_arrays(cut)


def test_objects_are_refused():
    with pytest.raises(ValueError, match='allow_pickle'):
        read_arrays(packed(a=np.array([{}])))


@pytest.mark.parametrize('data', [b'', b'PK\x03\x04', b'\x93NUMPY', b'{}'])
def test_no_npz_file(data):
    with pytest.raises(ValueError, match='BadZipFile'):
        read_arrays(data)


def test_too_large_when_unpacked(monkeypatch):
    monkeypatch.setattr('mmuda.utils.files._MAX_BYTES', 1000)
    data = packed(compressed=True, a=np.zeros(10_000))
    with pytest.raises(ValueError, match='bytes when unpacked are too many'):
        read_arrays(data)


def test_array_that_claims_more_than_memory_holds():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, dict(descr='<f8', fortran_order=False, shape=(1 << 60,))
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('a.npy', header.getvalue())
    with pytest.raises(ValueError, match='Error|array'):
        read_arrays(file.getvalue())


def test_statistics_that_are_a_folder(tmp_path):
    (tmp_path / 'statistics.npz').mkdir()
    with pytest.raises(DataError, match='Is a directory; generate'):
        ImageStatistics.read(tmp_path)
