"""A training whose data fails saves what it has learned."""

import os
import signal

import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.runner import IterBasedTrainLoop
from tiny_runs import TinyDomains, TinyValidation, equal, runner, weights

from mmuda.engine.loops import UDATrainLoop
from mmuda.hooks import UDACheckpointHook
from mmuda.utils.compat import load_checkpoint_file


class Failing:
    """Fails from the given item on."""

    error = OSError('cannot read')

    def __init__(self, items):
        self.items, self.seen = items, 0

    def __getitem__(self, index):
        self.seen += 1
        if self.seen > self.items:
            raise self.error
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


def test_loader_processes_that_start_early_take_no_samples(
    tmp_path, monkeypatch
):
    """mmengine 0.10.7 starts them with the loop; its sampler can't skip."""

    def started(loop, *args, **kwargs):
        start(loop, *args, **kwargs)
        loop.dataloader_iterator = iter(loop.dataloader)

    def seen(loop, batch):
        images.append(batch['inputs']['source'][0].clone())
        iterate(loop, batch)

    images = []
    start, iterate = IterBasedTrainLoop.__init__, UDATrainLoop.run_iter
    monkeypatch.setattr(UDATrainLoop, 'run_iter', seen)
    runner(tmp_path / 'late', 4, workers=1).train()
    monkeypatch.setattr(IterBasedTrainLoop, '__init__', started)
    monkeypatch.delattr(InfiniteSampler, 'skip', raising=False)
    runner(tmp_path / 'early', 4, workers=1).train()
    assert len(images) == 8
    for late, early in zip(images[:4], images[4:], strict=True):
        assert torch.equal(late, early)
    assert not torch.equal(images[0], images[1])


def test_killed_loader_process(tmp_path):
    run = runner(tmp_path, 9, dataset=KilledLoader(4), workers=1)
    with pytest.raises(RuntimeError, match='DataLoader worker'):
        run.train()
    (name,) = names(tmp_path)
    saved = load_checkpoint_file(tmp_path / name)
    assert saved['meta']['iter'] == run.iter > 0


@pytest.mark.parametrize(
    ('where', 'saved'),
    [
        (['loop', '_decide_current_val_interval'], ['iter_2.pth']),
        (['model', 'train'], ['iter_1.pth']),
        (['model', 'train_step'], ['iter_2.pth']),
    ],
)
def test_a_loader_dies_anywhere(tmp_path, monkeypatch, where, saved):
    """Its signal interrupts no iteration, and all before it are saved."""
    owner, method = where
    calls = []

    def fail(number, frame):
        if calls:  # other processes than loaders end, too
            raise RuntimeError('loader process died')

    run = runner(tmp_path, 4)
    part = UDATrainLoop if owner == 'loop' else run.model
    original = getattr(part, method)

    def killed(*args, **kwargs):
        calls.append(method)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGCHLD)
        return original(*args, **kwargs)

    monkeypatch.setattr(part, method, killed)
    before = signal.signal(signal.SIGCHLD, fail)
    try:
        with pytest.raises(RuntimeError, match='loader process died'):
            run.train()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert names(tmp_path) == saved


def test_a_lost_connection_is_told_as_the_death_of_the_loader(
    tmp_path, monkeypatch
):
    """The signal may come after the error, while the checkpoint is saved."""

    class Lost(FailingDomains):
        error = ConnectionResetError('reset by peer')

    def died(number, frame):
        raise RuntimeError('loader process died')

    def save(hook, runner, finished):
        os.kill(os.getpid(), signal.SIGCHLD)
        save_now(hook, runner, finished)

    run = runner(tmp_path, 4, dataset=Lost(1))
    save_now = UDACheckpointHook.save_now
    monkeypatch.setattr(UDACheckpointHook, 'save_now', save)
    loop = UDATrainLoop.run

    def watched(*args):
        before = signal.signal(signal.SIGCHLD, died)
        try:
            return loop(*args)
        finally:
            signal.signal(signal.SIGCHLD, before)

    monkeypatch.setattr(UDATrainLoop, 'run', watched)
    with pytest.raises(RuntimeError, match='loader process died'):
        run.train()
    assert names(tmp_path) == ['iter_1.pth']


def test_failing_iteration_saves_nothing(tmp_path, monkeypatch):
    run = runner(tmp_path, 4)
    step, calls = run.model.train_step, []

    def fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise ValueError('in the middle of a step')
        return step(*args, **kwargs)

    monkeypatch.setattr(run.model, 'train_step', fail)
    with pytest.raises(ValueError, match='in the middle of a step'):
        run.train()
    assert names(tmp_path) == []


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
