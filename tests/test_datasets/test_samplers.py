import itertools
from types import SimpleNamespace

import pytest

from mmuda.datasets import DomainIndex, DomainInfiniteSampler, samplers
from mmuda.utils.errors import ConfigError


def make_sampler(sizes=(5, 3), **options):
    return DomainInfiniteSampler(
        SimpleNamespace(sizes=sizes), **{'seed': 0, **options}
    )


def take(sampler, count):
    return list(itertools.islice(sampler, count))


def test_yields_domain_indices():
    index = take(make_sampler(), 1)[0]
    assert isinstance(index, DomainIndex)
    assert len(index.indices) == 2


@pytest.mark.parametrize(('domain', 'size'), [(0, 5), (1, 3)])
def test_each_pass_is_a_permutation(domain, size):
    drawn = [i.indices[domain] for i in take(make_sampler(), 10 * size)]
    for start in range(0, 10 * size, size):
        assert sorted(drawn[start : start + size]) == list(range(size))


def test_passes_are_shuffled_anew():
    drawn = [i.indices[0] for i in take(make_sampler((50,)), 100)]
    assert drawn[:50] != drawn[50:]


def test_domains_of_one_size_have_independent_orders():
    drawn = take(make_sampler((50, 50)), 150)
    orders = [
        [i.indices[domain] for i in drawn[start : start + 50]]
        for domain in (0, 1)
        for start in (0, 50, 100)
    ]
    assert all(a != b for a, b in itertools.combinations(orders, 2))


def test_order_of_the_source_does_not_depend_on_the_targets():
    alone = [i.indices[0] for i in take(make_sampler((5,)), 20)]
    paired = [i.indices[0] for i in take(make_sampler((5, 3, 7)), 20)]
    assert alone == paired


def test_without_shuffle():
    drawn = [i.indices for i in take(make_sampler(shuffle=False), 6)]
    assert drawn == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (0, 2)]


def test_seeds_of_samples_differ():
    assert len({i.seed for i in take(make_sampler(), 1000)}) == 1000


def test_same_seed_same_sequence():
    assert take(make_sampler(), 50) == take(make_sampler(), 50)


def test_other_seed_other_sequence():
    assert take(make_sampler(), 50) != take(make_sampler(seed=1), 50)


def test_seed_none_is_shared(monkeypatch):
    monkeypatch.setattr(samplers, 'sync_random_seed', lambda: 0)
    assert take(make_sampler(seed=None), 9) == take(make_sampler(), 9)


def rank_sampler(monkeypatch, rank, world_size):
    monkeypatch.setattr(samplers, 'get_dist_info', lambda: (rank, world_size))
    return make_sampler()


def test_two_ranks_equal_one(monkeypatch):
    first = take(rank_sampler(monkeypatch, 0, 2), 20)
    second = take(rank_sampler(monkeypatch, 1, 2), 20)
    merged = [i for pair in zip(first, second, strict=True) for i in pair]
    assert merged == take(rank_sampler(monkeypatch, 0, 1), 40)


@pytest.mark.parametrize('rank', [0, 1])
def test_skip_equals_drawing(monkeypatch, rank):
    expected = take(rank_sampler(monkeypatch, rank, 2), 30)[17:]
    sampler = rank_sampler(monkeypatch, rank, 2)
    sampler.skip(17)
    assert take(sampler, 13) == expected


def test_skip_counts_from_the_start():
    sampler = make_sampler()
    sampler.skip(5)
    sampler.skip(7)
    assert take(sampler, 3) == take(make_sampler(), 10)[7:]


def test_skip_does_not_draw_what_it_skips():
    """Drawing so many samples would take years."""
    sampler = make_sampler((24966, 2975))
    sampler.skip(10**15)
    assert len(take(sampler, 1)) == 1


def test_negative_skip():
    with pytest.raises(ValueError, match='-1'):
        make_sampler().skip(-1)


def test_length_is_that_of_the_largest_domain():
    assert len(make_sampler((5, 3))) == 5


def test_other_data_set():
    with pytest.raises(ConfigError, match='needs a DomainDataset, got list'):
        DomainInfiniteSampler([1, 2])
