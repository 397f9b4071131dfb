from pathlib import Path

import pytest
import torch
from mmengine.fileio import register_backend
from mmengine.hooks import Hook
from tiny_runs import runner

from mmuda.engine.checkpoint import AtomicBackend
from mmuda.registry import HOOKS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import ConfigError


class DiskFullError(OSError):
    pass


@register_backend('full_disk')
class FullDiskBackend(AtomicBackend):
    """Saves two files; then the disk is full."""

    saved = 0

    def put(self, obj, filepath):
        if FullDiskBackend.saved == 2:
            raise DiskFullError
        FullDiskBackend.saved += 1
        super().put(obj, filepath)


@pytest.fixture(autouse=True)
def _empty_disk():
    FullDiskBackend.saved = 0


@HOOKS.register_module()
class FixedScoreHook(Hook):
    """Replaces the mIoU of each validation by given values."""

    priority = 'VERY_HIGH'

    def __init__(self, scores):
        self.scores = list(scores)

    def after_val_epoch(self, runner, metrics=None):
        metrics['mIoU'] = self.scores.pop(0)


def names(folder):
    return sorted(path.name for path in Path(folder).glob('*.pth'))


def test_last_checkpoint_names_the_newest(tmp_path):
    runner(tmp_path, 4, checkpoint=dict(interval=2)).train()
    assert (tmp_path / 'last_checkpoint').read_text() == str(
        tmp_path / 'iter_4.pth'
    )


def test_only_the_newest_are_kept(tmp_path):
    runner(tmp_path, 4, checkpoint=dict(interval=1, max_keep_ckpts=2)).train()
    assert names(tmp_path) == ['iter_3.pth', 'iter_4.pth']


def test_limit_of_kept_checkpoints_spans_a_resume(tmp_path):
    options = dict(interval=1, max_keep_ckpts=2)
    runner(tmp_path, 2, checkpoint=options).train()
    runner(tmp_path, 3, checkpoint=options, resume=True).train()
    assert names(tmp_path) == ['iter_2.pth', 'iter_3.pth']


def test_failed_save_keeps_the_old_checkpoints(tmp_path):
    run = runner(
        tmp_path,
        4,
        checkpoint=dict(
            interval=1,
            max_keep_ckpts=2,
            backend_args=dict(backend='full_disk'),
        ),
    )
    with pytest.raises(DiskFullError):
        run.train()
    assert names(tmp_path) == ['iter_1.pth', 'iter_2.pth']


def test_failed_save_keeps_last_checkpoint(tmp_path):
    run = runner(
        tmp_path,
        4,
        checkpoint=dict(interval=1, backend_args=dict(backend='full_disk')),
    )
    with pytest.raises(DiskFullError):
        run.train()
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_2.pth')


def best_run(folder, scores, **checkpoint):
    options = dict(interval=-1, save_last=False, save_best='mIoU')
    return runner(
        folder,
        len(scores),
        hooks=[dict(type='FixedScoreHook', scores=scores)],
        checkpoint=options | checkpoint,
        val_interval=1,
    )


def test_best_checkpoint_replaces_the_old_best(tmp_path):
    best_run(tmp_path, [1, 3, 2]).train()
    assert names(tmp_path) == ['best_mIoU_iter_2.pth']


def test_best_checkpoint_is_remembered_after_a_worse_one(tmp_path):
    best_run(tmp_path, [2, 1, 3]).train()
    assert names(tmp_path) == ['best_mIoU_iter_3.pth']


def test_best_checkpoints_of_two_metrics(tmp_path):
    best_run(tmp_path, [1, 3, 2], save_best=['mIoU', 'IoU.a']).train()
    assert 'best_mIoU_iter_2.pth' in names(tmp_path)
    assert len(names(tmp_path)) == 2


def test_best_by_a_metric_that_there_is_not(tmp_path):
    run = best_run(tmp_path, [1], save_best='mIou')
    expected = (
        r"save_best='mIou': the validation gives no such value \(did you mean "
        r"'mIoU'\?\); there are aAcc, mIoU, mAcc, IoU.a, "
    )
    with pytest.raises(ConfigError, match=expected):
        run.train()


def test_failed_save_keeps_the_old_best(tmp_path):
    run = best_run(tmp_path, [1, 2, 3], backend_args=dict(backend='full_disk'))
    with pytest.raises(DiskFullError):
        run.train()
    assert names(tmp_path) == ['best_mIoU_iter_2.pth']


def test_resumed_run_removes_the_old_best(tmp_path):
    best_run(tmp_path, [2], interval=1).train()
    run = runner(
        tmp_path,
        2,
        hooks=[dict(type='FixedScoreHook', scores=[3])],
        checkpoint=dict(interval=1, save_best='mIoU'),
        val_interval=1,
        resume=True,
    )
    run.train()
    assert [n for n in names(tmp_path) if n.startswith('best')] == [
        'best_mIoU_iter_2.pth'
    ]


def test_checkpoint_holds_what_training_needs(tmp_path):
    runner(tmp_path, 1).train()
    checkpoint = load_checkpoint_file(tmp_path / 'iter_1.pth')
    assert {'state_dict', 'optimizer', 'param_schedulers'} < set(checkpoint)


def test_no_temporary_file_is_left(tmp_path):
    runner(tmp_path, 2, checkpoint=dict(interval=1)).train()
    assert not list(tmp_path.glob('.*'))


def test_interval_that_splits_an_accumulation(tmp_path):
    run = runner(tmp_path, 4, accumulate=2, checkpoint=dict(interval=3))
    with pytest.raises(ConfigError, match='interval=3 .* multiple of 2'):
        run.train()


def test_validation_that_splits_an_accumulation(tmp_path):
    run = runner(
        tmp_path,
        4,
        accumulate=2,
        checkpoint=dict(interval=2, save_best='mIoU'),
        val_interval=3,
    )
    with pytest.raises(ConfigError, match='val_interval=3'):
        run.train()


def test_by_epoch_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='by_epoch'):
        runner(tmp_path, checkpoint=dict(by_epoch=True))


def test_saved_twice_only_if_needed(tmp_path):
    run = runner(tmp_path, 1)
    run.train()
    hook = next(h for h in run.hooks if hasattr(h, 'save_now'))
    written = (tmp_path / 'iter_1.pth').stat().st_mtime_ns
    run.train_loop._iter = 0
    hook.save_now(run, run.iter + 1)
    assert (tmp_path / 'iter_1.pth').stat().st_mtime_ns == written
    run.train_loop._iter = 1
    hook.save_now(run, run.iter + 1)
    assert names(tmp_path) == ['iter_1.pth', 'iter_2.pth']
    assert torch.load(tmp_path / 'iter_2.pth', weights_only=False)
