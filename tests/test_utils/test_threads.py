"""Threads beside other programs."""

import os
import subprocess
import sys

import pytest
from demo_data import ENVIRONMENT
from torch.utils.data import DataLoader

from mmuda.utils import threads
from mmuda.utils.threads import settle_threads, shared_among, usable_cores

CORES = len(os.sched_getaffinity(0))


def cgroups(folder, quota, version=2):
    """A folder that limits the time of cores as Linux does."""
    if version == 2:
        (folder / 'cpu.max').write_text(f'{quota} 100000\n')
        return folder
    (folder / 'cpu').mkdir()
    for name, value in (('quota', quota), ('period', 100000)):
        (folder / 'cpu' / f'cpu.cfs_{name}_us').write_text(f'{value}\n')
    return folder


@pytest.mark.parametrize(
    ('given', 'policy'),
    [
        ({}, 'PASSIVE'),
        ({'OMP_WAIT_POLICY': 'ACTIVE'}, 'ACTIVE'),
        ({'GOMP_SPINCOUNT': '100'}, None),
        ({'KMP_BLOCKTIME': '0'}, None),
    ],
)
def test_threads_sleep_unless_the_user_has_said_how_they_wait(
    given, policy, tmp_path
):
    environment = dict(given)
    settle_threads(environment, tmp_path)
    assert environment.get('OMP_WAIT_POLICY') == policy


def test_systems_without_affinities_count_all_cores(tmp_path, monkeypatch):
    monkeypatch.delattr(os, 'sched_getaffinity')
    monkeypatch.setattr(os, 'cpu_count', lambda: 7)
    assert usable_cores(tmp_path) == 7
    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    assert usable_cores(tmp_path) == 1


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize(
    ('quota', 'limit'),
    [
        ('max', None),
        ('-1', None),
        (100000 * CORES, None),
        (50000, 1),
        (199999 * CORES // 2, max(1, CORES - 1)),
    ],
)
def test_no_more_threads_than_a_container_has_cores(
    quota, limit, version, tmp_path
):
    environment = {}
    settle_threads(environment, cgroups(tmp_path, quota, version))
    found = environment.get('OMP_NUM_THREADS')
    assert found == (None if limit is None else str(limit))
    assert usable_cores(tmp_path) == (limit or CORES)


def test_a_number_of_threads_that_the_user_has_set_is_kept(tmp_path):
    environment = {'OMP_NUM_THREADS': '7'}
    settle_threads(environment, cgroups(tmp_path, 50000))
    assert environment['OMP_NUM_THREADS'] == '7'


@pytest.mark.parametrize(
    ('processes', 'given', 'share'),
    [
        (1, False, {}),
        (2, False, {'OMP_NUM_THREADS': '3'}),
        (4, False, {'OMP_NUM_THREADS': '1'}),
        (9, False, {'OMP_NUM_THREADS': '1'}),
        (2, True, {}),
    ],
)
def test_processes_share_the_cores(processes, given, share, monkeypatch):
    monkeypatch.setattr(threads, 'usable_cores', lambda: 6)
    monkeypatch.setattr(threads, '_IS_GIVEN', given)
    assert shared_among(processes) == share


def test_processes_of_torchrun_share_the_cores_and_wait_asleep(tmp_path):
    file = tmp_path / 'rank.py'
    names = 'OMP_NUM_THREADS', 'OMP_WAIT_POLICY'
    file.write_text(f'import os; print([os.environ.get(n) for n in {names}])')
    environment = {k: v for k, v in ENVIRONMENT.items() if k not in names}
    words = [sys.executable, '-m', 'mmuda.utils.launch', '--standalone']
    done = subprocess.run(
        [*words, '--nproc_per_node', '1', str(file)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "[None, 'PASSIVE']\n"


def threads_of_worker(_):
    import torch

    return [torch.get_num_threads()]


def test_loader_processes_have_one_thread():
    loader = DataLoader([0], num_workers=1, collate_fn=threads_of_worker)
    assert [*loader] == [[1]]
