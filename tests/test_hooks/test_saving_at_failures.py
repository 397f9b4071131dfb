"""A training whose data fails saves what it has learned."""

import os
import signal

import pytest
import torch
from tiny_runs import TinyDomains, TinyValidation, equal, runner, weights

from mmuda.utils.compat import load_checkpoint_file


class Failing:
    """Fails from the given item on."""

    def __init__(self, items):
        self.items, self.seen = items, 0

    def __getitem__(self, index):
        self.seen += 1
        if self.seen > self.items:
            raise OSError('cannot read')
        return super().__getitem__(index)


class FailingDomains(Failing, TinyDomains):
    pass


class FailingValidation(Failing, TinyValidation):
    pass


class KilledLoader(TinyDomains):
    """Its loader process is killed after some items."""

    def __init__(self, items):
        self.items, self.seen = items, 0

    def __getitem__(self, index):
        if torch.utils.data.get_worker_info() is not None:
            self.seen += 1
            if self.seen > self.items:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def test_unreadable_image(tmp_path):
    with pytest.raises(OSError, match='cannot read'):
        runner(tmp_path / 'parts', 4, dataset=FailingDomains(2)).train()
    assert names(tmp_path / 'parts') == ['iter_2.pth']
    second = runner(tmp_path / 'parts', 4, resume=True)
    second.train()
    whole = runner(tmp_path / 'whole', 4)
    whole.train()
    assert equal(weights(whole), weights(second))


def test_killed_loader_process(tmp_path):
    run = runner(tmp_path, 9, dataset=KilledLoader(4), workers=1)
    with pytest.raises(RuntimeError, match='DataLoader worker'):
        run.train()
    (name,) = names(tmp_path)
    saved = load_checkpoint_file(tmp_path / name)
    assert saved['meta']['iter'] == run.iter > 0


def test_failing_validation(tmp_path):
    run = runner(tmp_path, 4, val_interval=2, validation=FailingValidation(1))
    with pytest.raises(OSError, match='cannot read'):
        run.train()
    assert names(tmp_path) == ['iter_2.pth']


def test_failure_before_the_first_iteration_saves_nothing(tmp_path):
    with pytest.raises(OSError, match='cannot read'):
        runner(tmp_path, 4, dataset=FailingDomains(0)).train()
    assert names(tmp_path) == []


def test_accumulated_gradients_are_not_lost(tmp_path):
    with pytest.raises(OSError, match='cannot read'):
        runner(tmp_path, 4, dataset=FailingDomains(3), accumulate=2).train()
    assert names(tmp_path) == []
