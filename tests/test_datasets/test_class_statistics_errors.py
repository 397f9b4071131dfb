"""Statistics that cannot be had, and those of several processes."""

import cv2
import gloo
import numpy as np
import pytest
from mmengine.dist import barrier, is_main_process
from toy_classes import config, write
from toy_images import cut_in_half

from mmuda.datasets.class_statistics import (
    class_statistics,
    shared_class_statistics,
)
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.setup_env import register_all_modules

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


def test_labels_are_needed(root, out):
    with pytest.raises(ConfigError, match='give its data_prefix.seg_map_path'):
        count(root, out, labelled=False)


def test_no_workers(root, out):
    with pytest.raises(ConfigError, match='0 workers'):
        class_statistics(build(root), out, workers=0)


def test_no_labelled_pixel(tmp_path, out):
    found = count(write(tmp_path / 'data', (0, 0, 0)), out)
    with pytest.raises(DataError, match='no label has a pixel'):
        _ = found.shares


@pytest.mark.parametrize('content', [b'', b'foreign', b'PK\x03\x04'])
def test_a_foreign_file_is_named(root, out, content):
    out.parent.mkdir()
    out.write_bytes(content)
    with pytest.raises(DataError, match='statistics.npz.*remove it'):
        count(root, out)


def test_foreign_arrays_are_named(root, out):
    out.parent.mkdir()
    np.savez(out, pixels=np.zeros(3))
    with pytest.raises(DataError, match='statistics.npz.*remove it'):
        count(root, out)


def test_a_label_removed_later(root, out):
    dataset = build(root)
    (root / 'labels/1.png').unlink()
    with pytest.raises(DataError, match='1.png'):
        class_statistics(dataset, out, progress=False)


# Several processes


def shared(root, out):
    """Statistics that a process gets, and its error once a label is cut."""
    register_all_modules()
    cv2.setNumThreads(1)
    dataset = build(root)
    found = shared_class_statistics(dataset, out)
    barrier()
    if is_main_process():
        cut_in_half(root / 'labels/1.png')
    try:
        shared_class_statistics(dataset, out)
    except DataError as error:
        return found, str(error)


@pytest.fixture(scope='module')
def processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('processes')
    root = write(folder / 'data', FIRST, SECOND, THIRD)
    return gloo.run(shared, folder, root, folder / 'statistics.npz')


def test_processes_get_the_same(processes):
    wanted = [[60, 10, 0], [20, 0, 0], [0, 30, 5]]
    assert [found.pixels.tolist() for found, _ in processes] == [wanted] * 2


def test_processes_get_the_same_error(processes):
    (_, first), (_, second) = processes
    assert '1.png' in first
    assert first == second
