"""Several samples of a domain in one item."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader
from toy_images import domain_configs

from mmuda.datasets import (
    DomainDataset,
    DomainIndex,
    DomainInfiniteSampler,
    domain_collate,
    samplers,
)
from mmuda.utils.errors import ConfigError

RATIO = dict(source=4, target=3)


@pytest.fixture
def configs(tmp_path):
    return domain_configs(tmp_path)


def take(count, sizes=(5, 7), samples=(4, 3), **options):
    sampler = DomainInfiniteSampler(
        SimpleNamespace(sizes=sizes, samples=samples),
        **dict(seed=0) | options,
    )
    return list(itertools.islice(sampler, count))


def of_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(samplers, 'get_dist_info', lambda: (rank, world_size))


def stream(indices, domain):
    """All draws of a domain, one after another."""
    return [i for index in indices for i in index.indices[domain]]


# What is drawn


def test_consecutive_places_of_the_stream():
    drawn = take(20)
    single = take(80, samples=(1, 1))
    for domain, number in enumerate((4, 3)):
        expected = [index.indices[domain] for index in single]
        assert stream(drawn, domain) == expected[: 20 * number]


def test_each_pass_is_a_permutation():
    drawn = stream(take(35), 0)
    for start in range(0, 140, 5):
        assert sorted(drawn[start : start + 5]) == list(range(5))


def test_without_shuffle():
    drawn = [index.indices for index in take(2, shuffle=False)]
    assert drawn == [((0, 1, 2, 3), (0, 1, 2)), ((4, 0, 1, 2), (3, 4, 5))]


def test_single_samples_are_plain_indices():
    index = take(1, samples=(1, 3))[0]
    assert isinstance(index.indices[0], int)
    assert len(index.indices[1]) == 3


def test_two_ranks_equal_one(monkeypatch):
    expected = take(40)
    merged = [None] * 40
    for rank in (0, 1):
        of_rank(monkeypatch, rank, 2)
        merged[rank::2] = take(20)
    assert merged == expected


@pytest.mark.parametrize('rank', [0, 1])
def test_skip_equals_drawing(monkeypatch, rank):
    of_rank(monkeypatch, rank, 2)
    dataset = SimpleNamespace(sizes=(5, 7), samples=(4, 3))
    sampler = DomainInfiniteSampler(dataset, seed=0)
    sampler.skip(17)
    assert list(itertools.islice(sampler, 13)) == take(30)[17:]


def test_length_counts_items(configs):
    """Five target images, three of them an item."""
    dataset = DomainDataset(**configs, samples=dict(target=3))
    assert len(dataset) == 3
    assert len(DomainInfiniteSampler(dataset, seed=0)) == 3


# What is loaded


def test_item_holds_lists(configs):
    dataset = DomainDataset(**configs, samples=RATIO)
    item = dataset[DomainIndex(((0, 1, 2, 0), (4, 1, 2)), 0)]
    assert [s.key for s in item['data_samples']['source']] == list('0120')
    assert [s.key for s in item['data_samples']['target']] == list('412')
    shapes = {image.shape for image in item['inputs']['target']}
    assert shapes == {(3, 5, 6)}


def test_one_sample_of_a_domain_is_no_list(configs):
    dataset = DomainDataset(**configs, samples=dict(target=2))
    item = dataset[DomainIndex((0, (1, 2)), 0)]
    assert item['inputs']['source'].shape == (3, 5, 6)


def test_samples_of_one_image_differ(configs):
    dataset = DomainDataset(**configs, samples=RATIO)
    images = dataset[DomainIndex(((0,) * 4, (0,) * 3), 1)]['inputs']['source']
    pairs = itertools.combinations(images, 2)
    assert not any(torch.equal(first, second) for first, second in pairs)


def test_first_sample_is_that_of_a_plain_item(configs):
    dataset = DomainDataset(**configs)
    plain = dataset[DomainIndex((2, 1), 5)]['inputs']
    several = dataset[DomainIndex(((2, 0), (1, 3)), 5)]['inputs']
    for domain, image in plain.items():
        assert torch.equal(several[domain][0], image)


def test_label_leak_of_a_later_sample(configs):
    dataset = DomainDataset(**configs, samples=RATIO)
    target = dataset.domains['target']
    target.pipeline = lambda info: {
        'inputs': 0,
        'data_samples': {'gt_sem_seg': 1} if info['key'] == '3' else {},
    }
    with pytest.raises(ConfigError, match=r"'target' loads ground truth"):
        _ = dataset[DomainIndex(((0, 1, 2, 0), (1, 2, 3)), 0)]


# Batches


def batches(configs, count, workers=0, batch_size=2):
    dataset = DomainDataset(**configs, samples=RATIO)
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=DomainInfiniteSampler(dataset, seed=3),
        num_workers=workers,
        collate_fn=domain_collate,
    )
    return list(itertools.islice(loader, count))


def test_batch_is_a_list_for_each_domain(configs):
    batch = batches(configs, 1)[0]
    for name, number in (('source', 8), ('target', 6)):
        assert len(batch['inputs'][name]) == number
        assert len(batch['data_samples'][name]) == number
        assert isinstance(batch['inputs'][name][0], torch.Tensor)
        assert isinstance(batch['data_samples'][name][0], BaseDataElement)


def test_batch_holds_item_after_item(configs):
    whole = batches(configs, 1)[0]
    single = batches(configs, 2, batch_size=1)
    for name in ('source', 'target'):
        expected = [i for batch in single for i in batch['inputs'][name]]
        for image, other in zip(whole['inputs'][name], expected, strict=True):
            assert torch.equal(image, other)


def test_number_of_workers_does_not_matter(configs):
    for first, second in zip(
        batches(configs, 3), batches(configs, 3, workers=2), strict=True
    ):
        for name in ('source', 'target'):
            pairs = zip(
                first['inputs'][name], second['inputs'][name], strict=True
            )
            assert all(torch.equal(a, b) for a, b in pairs)


def test_single_samples_make_the_batch_of_mmengine(configs):
    dataset = DomainDataset(**configs)
    items = [dataset[DomainIndex((i, i), i)] for i in range(3)]
    own, plain = domain_collate(items), pseudo_collate(items)
    assert own.keys() == plain.keys()
    for key, domains in plain.items():
        for name, samples in domains.items():
            assert own[key][name] == samples


# Errors


def test_unknown_domain(configs):
    with pytest.raises(
        ConfigError, match=r"samples: there is no domain 'taget' \(did you "
    ):
        DomainDataset(**configs, samples=dict(taget=2))


def test_target_of_a_config_with_several(configs):
    targets = dict(day=configs['target'])
    with pytest.raises(ConfigError, match='the domains are source, day'):
        DomainDataset(source=configs['source'], targets=targets, samples=RATIO)


@pytest.mark.parametrize('number', [0, -1, 1.5, True, '2'])
def test_impossible_number(configs, number):
    message = rf'samples\.source={number!r}: must be a whole'
    with pytest.raises(ConfigError, match=message):
        DomainDataset(**configs, samples=dict(source=number))


def test_numbers_of_a_domain_that_was_left_out(configs):
    dataset = DomainDataset(source=configs['source'], samples=RATIO)
    assert dataset.samples == (4,)
