import cv2
import numpy as np
import pytest

from mmuda.datasets import FolderDataset
from mmuda.datasets.class_ratios import class_ratios
from mmuda.utils.errors import ConfigError, DataError


def make(tmp_path, labels, with_labels=True):
    for name in ('images', 'labels'):
        (tmp_path / name).mkdir()
    for i, label in enumerate(labels):
        image = np.zeros((*label.shape, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'images/{i}.png'), image)
        cv2.imwrite(str(tmp_path / f'labels/{i}.png'), label)
    prefix = dict(img_path='images')
    if with_labels:
        prefix['seg_map_path'] = 'labels'
    return FolderDataset(
        data_root=str(tmp_path),
        data_prefix=prefix,
        img_suffix='.png',
        label_set=None,
        metainfo=dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0]] * 3),
    )


def test_ratios_are_parts_of_the_labelled_pixels(tmp_path):
    first = np.array([[0, 0], [1, 255]], np.uint8)
    second = np.array([[0, 255], [255, 255]], np.uint8)
    ratios = class_ratios(make(tmp_path, [first, second]), progress=False)
    assert ratios.tolist() == [0.75, 0.25, 0.0]


def test_data_set_without_labels_is_refused(tmp_path):
    label = np.zeros((2, 2), np.uint8)
    dataset = make(tmp_path, [label], with_labels=False)
    with pytest.raises(ConfigError, match='no labels'):
        class_ratios(dataset)


def test_labels_without_any_class_are_refused(tmp_path):
    label = np.full((2, 2), 255, np.uint8)
    with pytest.raises(DataError, match='no label has a pixel'):
        class_ratios(make(tmp_path, [label]), progress=False)
