import os

import pytest
from benchmark_config import tiny_config
from warm_processes import CONTEXT

from benchmarks import scaling, turns
from mmuda.utils.errors import ConfigError


@pytest.fixture(autouse=True)
def warm(monkeypatch):
    """Processes that need not import everything first."""
    monkeypatch.setattr(turns, 'CONTEXT', CONTEXT)
    monkeypatch.setattr(scaling, 'CONTEXT', CONTEXT)


def test_two_processes_are_compared_with_one_and_with_two_apart(
    tmp_path, monkeypatch
):
    # Also on a machine with a single core.
    monkeypatch.setattr(scaling, 'require_cores', lambda _: [0, 0])
    rows = scaling.process_rows(
        tiny_config(), tmp_path, [1, 2], rounds=2, warmup=0
    )
    assert [(row.name, row.goal) for row in rows] == [
        ('AdvEnt iteration of 2 processes, a core each / of one', 1.111),
        ('AdvEnt iteration of 2 processes, a core each / of 2 apart', 1.111),
        ('AdvEnt iteration of 2 apart / of one', None),
    ]
    assert rows[0].detail.startswith('2 processes ')
    assert rows[1].detail.split(' / ')[1].startswith('2 apart ')
    assert rows[2].detail.split(' / ')[1].startswith('1 process ')
    assert all('quartiles' in row.detail for row in rows)


def test_processes_without_a_core_of_their_own_are_refused():
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match=f'--processes {cores + 1}'):
        scaling.require_cores([1, cores + 1])


def test_class_statistics_are_counted_for_each_set(tmp_path):
    rows = scaling.class_statistics_rows(tmp_path, [3, 1])
    assert [row.name for row in rows] == [
        'peak of class statistics, 1 labels',
        'peak of class statistics, 3 labels',
    ]
    assert [row.is_met for row in rows] == [True, True]
    assert rows[0].detail == '+0 MB on the smallest set'
