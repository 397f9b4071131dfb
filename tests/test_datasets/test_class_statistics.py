import os
from pathlib import Path

import numpy as np
import pytest
from toy_classes import config, label_of, write
from toy_images import cut_in_half, make_label

from mmuda.datasets import DomainDataset
from mmuda.datasets.class_statistics import (
    ClassStatistics,
    class_statistics,
    default_path,
)
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

FIRST, SECOND, THIRD = (60, 10, 0), (20, 0, 0), (0, 30, 5)


@pytest.fixture
def root(tmp_path):
    return write(tmp_path / 'data', FIRST, SECOND, THIRD)


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out' / 'statistics.npz'


def build(root, **options):
    return DATASETS.build(config(root, **options))


def count(root, out, **options):
    return class_statistics(build(root, **options), out, progress=False)


def spoil(path):
    """Write another label of the same size and time of change."""
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(b'x' * len(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch_later(path):
    time = path.stat().st_mtime_ns + 10
    os.utime(path, ns=(time, time))


def test_pixels_of_each_class_in_each_label(root, out):
    found = count(root, out)
    assert found.keys == ('0', '1', '2')
    assert found.pixels.tolist() == [[60, 10, 0], [20, 0, 0], [0, 30, 5]]
    assert found.pixels.dtype == np.int64


def test_shares_leave_ignored_pixels_out(root, out):
    assert count(root, out).shares.tolist() == [80 / 125, 40 / 125, 5 / 125]


def test_images_with_more_than(root, out):
    found = count(root, out)
    assert found.images_with_more_than(0).tolist() == [2, 2, 1]
    assert found.images_with_more_than(10).tolist() == [2, 1, 0]


def test_a_label_of_many_pixels_is_exact(tmp_path, out):
    # Float32 counts end at 2**24.
    label = np.zeros((4100, 4100), np.uint8)
    label[0, 0] = 1
    root = write(tmp_path / 'data', FIRST)
    make_label(root / 'labels/0.png', label)
    assert count(root, out).pixels.tolist() == [[4100**2 - 1, 1, 0]]


def test_the_pipeline_does_not_count(root, out):
    crop = {'type': 'CropFraction', 'bottom': 0.5}
    pipeline = [{'type': 'LoadImage'}, {'type': 'LoadLabels'}, crop]
    assert count(root, out, pipeline=pipeline).pixels[0, 0] == 60


def test_the_label_table_counts(root, out):
    table = {0: 2, 1: 2, 2: 0, 'others': 255}
    found = count(root, out, label_table=table)
    assert found.pixels.tolist() == [[0, 0, 70], [0, 0, 20], [5, 0, 30]]


def test_several_sources(root, tmp_path, out):
    other = write(tmp_path / 'other', (1, 2, 3))
    sources = [config(root), config(other)]
    dataset = DomainDataset(source=sources).domains['source']
    found = class_statistics(dataset, out, progress=False)
    assert found.keys == ('0', '1', '2', '0')
    assert found.pixels[3].tolist() == [1, 2, 3]


# What is kept


def test_the_file_holds_the_result(root, out):
    found = count(root, out)
    kept = ClassStatistics.read(out)
    assert kept.pixels.tolist() == found.pixels.tolist()
    assert (kept.classes, kept.keys) == (found.classes, found.keys)
    assert kept.stamps == found.stamps


def test_known_labels_are_not_read_again(root, out):
    first = count(root, out)
    for path in (root / 'labels').iterdir():
        spoil(path)
    assert count(root, out).pixels.tolist() == first.pixels.tolist()


def test_a_changed_label_is_counted_again(root, out):
    count(root, out)
    make_label(root / 'labels/1.png', label_of((1, 2, 3)))
    touch_later(root / 'labels/1.png')
    assert count(root, out).pixels[1].tolist() == [1, 2, 3]


def test_only_the_changed_label_is_read(root, out):
    count(root, out)
    spoil(root / 'labels/0.png')
    make_label(root / 'labels/1.png', label_of((1, 2, 3)))
    touch_later(root / 'labels/1.png')
    found = count(root, out).pixels.tolist()
    assert found == [[60, 10, 0], [1, 2, 3], [0, 30, 5]]


def test_new_labels_are_added(root, out):
    count(root, out, indices=2)
    spoil(root / 'labels/0.png')
    assert count(root, out).pixels[2].tolist() == [0, 30, 5]


def test_labels_that_are_gone_do_not_count(root, out):
    count(root, out)
    found = count(root, out, exclude=['0'])
    assert found.keys == ('1', '2')
    assert found.shares.tolist() == [20 / 55, 30 / 55, 5 / 55]


def test_another_table_is_counted_anew(root, out):
    count(root, out)
    found = count(root, out, label_table={0: 1, 1: 0, 2: 2, 255: 255})
    assert found.pixels[0].tolist() == [10, 60, 0]


def test_other_classes_are_counted_anew(root, out):
    count(root, out)
    spoil(root / 'labels/0.png')
    classes = {'classes': ('a', 'b', 'c'), 'palette': [[0, 0, 0]] * 3}
    with pytest.raises(DataError, match='0.png'):
        count(root, out, metainfo=classes)


def test_what_was_counted_before_an_error_is_kept(root, out):
    content = (root / 'labels/2.png').read_bytes()
    cut_in_half(root / 'labels/2.png')
    with pytest.raises(DataError, match='2.png'):
        count(root, out)
    assert ClassStatistics.read(out).keys == ('0', '1')
    (root / 'labels/2.png').write_bytes(content)
    spoil(root / 'labels/0.png')
    assert count(root, out).pixels[0].tolist() == [60, 10, 0]


def test_an_error_at_once_leaves_an_old_file_alone(root, tmp_path, out):
    count(root, out)
    other = write(tmp_path / 'other', FIRST)
    cut_in_half(other / 'labels/0.png')
    with pytest.raises(DataError, match='0.png'):
        count(other, out)
    assert len(ClassStatistics.read(out).keys) == 3


def test_no_temporary_files_stay(root, out):
    count(root, out)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_folder_that_cannot_be_written_does_not_stop(root, tmp_path):
    (tmp_path / 'file').write_text('')
    found = count(root, tmp_path / 'file' / 'statistics.npz')
    assert found.pixels[0].tolist() == [60, 10, 0]


# Where it is kept by default


def test_default_path(root):
    path = default_path(build(root))
    assert path.parent == Path('work_dirs/class_statistics')
    assert path.name.startswith('folder_')


@pytest.mark.parametrize(
    'options',
    [
        {'indices': 2},
        {'label_table': {0: 1, 1: 0, 2: 2, 255: 255}},
        {'metainfo': {'classes': ('x', 'y', 'z'), 'palette': [[0] * 3] * 3}},
    ],
)
def test_default_path_of_other_data_is_another(root, options):
    assert default_path(build(root)) != default_path(build(root, **options))


def test_default_path_stays_when_labels_change(root):
    before = default_path(build(root))
    make_label(root / 'labels/1.png', label_of((1, 2, 3)))
    assert default_path(build(root)) == before
