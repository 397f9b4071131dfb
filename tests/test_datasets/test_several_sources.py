"""A source that is made of several data sets."""

import itertools

import numpy as np
import pytest
from toy_images import LOAD, RANDOM, folder_config, make_folder, make_label

from mmuda.datasets import (
    DomainDataset,
    DomainIndex,
    DomainInfiniteSampler,
    describe_domains,
    scan_dataset,
)
from mmuda.utils.errors import ConfigError, DataError

RESIZED = dict(type='LoadLabels', resize_mismatch=True)


@pytest.fixture
def few(tmp_path):
    root = make_folder(tmp_path / 'few', 'ab')
    return folder_config(root, pipeline=LOAD + RANDOM)


@pytest.fixture
def many(tmp_path):
    """Six images with labels of another size, which are resized."""
    root = make_folder(tmp_path / 'many', '012345')
    for path in root.glob('labels/*'):
        make_label(path, np.zeros((4, 6), np.uint8))
    return folder_config(root, pipeline=[LOAD[0], RESIZED, *RANDOM])


def test_images_follow_each_other(few, many):
    dataset = DomainDataset(source=[few, many])
    assert dataset.sizes == (8,)
    keys = [
        dataset[DomainIndex((i,), 0)]['data_samples']['source'].key
        for i in range(8)
    ]
    assert keys == list('ab012345')


def test_mixing_is_in_proportion_to_the_number_of_images(few, many):
    dataset = DomainDataset(source=[few, many], samples=dict(source=4))
    sampler = DomainInfiniteSampler(dataset, seed=0)
    items = itertools.islice(sampler, 20)
    drawn = [i for item in items for i in item.indices[0]]
    assert sum(index < 2 for index in drawn) == 80 * 2 / 8


@pytest.mark.parametrize('place', [1, 2])
def test_the_one_with_other_classes_is_named(few, place):
    sources = [few] * 3
    sources[place] = dict(few, label_set='cityscapes19')
    with pytest.raises(ConfigError, match=rf"'source\[{place}\]' have diff"):
        DomainDataset(source=sources)


def test_other_colours_of_the_same_classes(few, many):
    many['metainfo'] = dict(palette=[[i, 0, 0] for i in range(10)])
    dataset = DomainDataset(source=[few, many])
    assert dataset.metainfo['palette'][0] == [128, 64, 128]


def test_description_of_each(few, many):
    lines = describe_domains(DomainDataset(source=[few, many]))
    assert [line[:19] for line in lines] == [
        'source[0]: 2 images',
        'source[1]: 6 images',
    ]


@pytest.mark.parametrize('reverse', [False, True])
def test_labels_are_read_as_each_says(few, many, reverse):
    sources = [many, few] if reverse else [few, many]
    dataset = DomainDataset(source=sources)
    assert scan_dataset(dataset, progress=False) == []


def test_fault_of_the_second_is_found_before_training(few, many):
    many['pipeline'][1] = LOAD[1]
    dataset = DomainDataset(source=[few, many])
    with pytest.raises(DataError, match='many/labels/0.png'):
        describe_domains(dataset)
