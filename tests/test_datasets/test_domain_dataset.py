import random

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader
from toy_images import LOAD, RANDOM, domain_configs

from mmuda.datasets import (
    DomainDataset,
    DomainIndex,
    DomainInfiniteSampler,
)


@pytest.fixture
def source(tmp_path):
    return domain_configs(tmp_path)['source']


@pytest.fixture
def target(tmp_path):
    return domain_configs(tmp_path)['target']


def test_item(source, target):
    item = DomainDataset(source=source, target=target)[DomainIndex((2, 4), 0)]
    assert list(item) == ['inputs', 'data_samples']
    assert list(item['inputs']) == ['source', 'target']
    assert item['inputs']['target'].shape == (3, 5, 6)
    assert item['data_samples']['source'].key == '2'
    assert item['data_samples']['target'].key == '4'


def test_target_has_no_ground_truth(source, target):
    item = DomainDataset(source=source, target=target)[DomainIndex((0, 0), 0)]
    assert 'gt_sem_seg' in item['data_samples']['source']
    assert 'gt_sem_seg' not in item['data_samples']['target']


def test_nick_names(source, target):
    dataset = DomainDataset(
        source=source, targets={'camvid': target, 'idd': target}
    )
    item = dataset[DomainIndex((0, 1, 2), 0)]
    assert list(item['inputs']) == ['source', 'camvid', 'idd']
    assert item['data_samples']['idd'].key == '2'


@pytest.mark.parametrize('name', ['source', 'target'])
def test_single_domain(source, target, name):
    config = {'source': source, 'target': target}[name]
    item = DomainDataset(**{name: config})[DomainIndex((1,), 0)]
    assert list(item['inputs']) == [name]


def test_sizes_length_and_classes(source, target):
    dataset = DomainDataset(source=source, target=target)
    assert dataset.sizes == (3, 5)
    assert len(dataset) == 5
    assert dataset.metainfo['classes'][-1] == 'car'


def test_list_is_concatenated(source, target):
    dataset = DomainDataset(source=[source, source], target=target)
    assert dataset.sizes == (6, 5)
    item = dataset[DomainIndex((4, 0), 0)]
    assert item['data_samples']['source'].key == '1'


def test_full_init_of_lazy_domains(source):
    source['lazy_init'] = True
    dataset = DomainDataset(source=source)
    dataset.full_init()
    assert dataset.sizes == (3,)


# What is drawn at random


def equal(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, BaseDataElement):
        return equal(first.to_dict(), second.to_dict()) and equal(
            first.metainfo, second.metainfo
        )
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            equal(first[key], second[key]) for key in first
        )
    return first == second


def test_item_depends_on_the_index_only(source, target):
    dataset = DomainDataset(source=source, target=target)
    first = dataset[DomainIndex((0, 1), 7)]
    random.random()
    np.random.rand()
    torch.rand(1)
    assert equal(first, dataset[DomainIndex((0, 1), 7)])


def test_seed_changes_the_item(source, target):
    dataset = DomainDataset(source=source, target=target)
    inputs = [dataset[DomainIndex((0, 1), seed)]['inputs'] for seed in (1, 2)]
    assert not torch.equal(inputs[0]['source'], inputs[1]['source'])
    assert not torch.equal(inputs[0]['target'], inputs[1]['target'])


def test_domains_draw_differently(source):
    target = {**source, 'pipeline': LOAD[:1] + RANDOM}
    del target['data_prefix']
    target['data_prefix'] = {'img_path': 'images'}
    dataset = DomainDataset(source=source, target=target)
    inputs = dataset[DomainIndex((0, 0), 5)]['inputs']
    assert not torch.equal(inputs['source'], inputs['target'])


def test_a_domain_draws_the_same_whatever_the_one_before_it(source, target):
    dataset = DomainDataset(source=source, target=target)
    first = dataset[DomainIndex((0, 1), 7)]['inputs']['target']
    second = dataset[DomainIndex((2, 1), 7)]['inputs']['target']
    assert torch.equal(first, second)


def test_random_states_are_untouched(source, target):
    dataset = DomainDataset(source=source, target=target)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    _ = dataset[DomainIndex((0, 1), 7)]
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == (
        expected
    )


def test_random_states_are_untouched_by_an_error(source, target):
    dataset = DomainDataset(source=source, target=target)
    state = np.random.get_state()[1].copy()
    with pytest.raises(IndexError):
        _ = dataset[DomainIndex((0, 99), 7)]
    assert np.array_equal(np.random.get_state()[1], state)


def test_number_of_workers_does_not_matter(source, target):
    dataset = DomainDataset(source=source, target=target)
    batches = []
    for workers in (0, 2):
        loader = DataLoader(
            dataset,
            batch_size=2,
            sampler=DomainInfiniteSampler(dataset, seed=3),
            num_workers=workers,
            collate_fn=pseudo_collate,
        )
        iterator = iter(loader)
        batches.append([next(iterator) for _ in range(4)])
    for first, second in zip(*batches, strict=True):
        for domain in ('source', 'target'):
            for a, b in zip(
                first['inputs'][domain], second['inputs'][domain], strict=True
            ):
                assert torch.equal(a, b)
