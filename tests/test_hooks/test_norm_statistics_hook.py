from pathlib import Path

import gloo
import pytest
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from tiny_runs import runner
from torch import nn

from mmuda.hooks import average_norm_buffers
from mmuda.registry import HOOKS
from mmuda.utils.compat import load_checkpoint_file

NAME = 'segmentor.backbone.bn1.running_mean'


class WithOtherBuffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.without_statistics = nn.BatchNorm2d(2, track_running_stats=False)
        self.register_buffer('own', torch.zeros(1))


@HOOKS.register_module()
class RecordStatisticsHook(Hook):
    """Keep one running mean as it is before and after a validation."""

    priority = 'LOWEST'

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.trained = statistics(runner)

    def before_val_epoch(self, runner):
        self.validated = statistics(runner)


def statistics(run):
    return run.model.module.state_dict()[NAME].clone()


def averaged():
    model = WithOtherBuffers()
    model.norm.running_mean.copy_(torch.tensor([1.0, 2.0]) + 2 * get_rank())
    model.norm.running_var.fill_(1 + get_rank())
    model.norm.num_batches_tracked.fill_(5 + 2 * get_rank())
    model.own.fill_(get_rank())
    average_norm_buffers(model)
    return model.state_dict()


def trained(folder, interval):
    run = runner(
        folder,
        2,
        hooks=['NormStatisticsSyncHook', 'RecordStatisticsHook'],
        checkpoint=dict(interval=interval, save_last=False),
        val_interval=2,
        launcher='pytorch',
    )
    run.train()
    recorder = next(
        h for h in run.hooks if isinstance(h, RecordStatisticsHook)
    )
    return recorder.trained, recorder.validated


def in_one_process_of_two(folder):
    return dict(
        averaged=averaged(),
        saving=trained(Path(folder, 'saving'), 2),
        not_saving=trained(Path(folder, 'not_saving'), -1),
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('ranks')


@pytest.fixture(scope='module')
def ranks(folder):
    return gloo.run(in_one_process_of_two, folder, folder)


def test_means_and_variances_are_averaged(ranks):
    for rank in ranks:
        assert rank['averaged']['norm.running_mean'].tolist() == [2, 3]
        assert rank['averaged']['norm.running_var'].tolist() == [1.5, 1.5]


def test_counts_are_the_maximum(ranks):
    assert [r['averaged']['norm.num_batches_tracked'] for r in ranks] == [7, 7]


def test_other_buffers_are_left_alone(ranks):
    assert [r['averaged']['own'].item() for r in ranks] == [0, 1]


def test_one_process_is_left_alone():
    model = WithOtherBuffers()
    model.norm.running_mean.fill_(3)
    average_norm_buffers(model)
    assert model.norm.running_mean.tolist() == [3, 3]


def test_validation_takes_the_average(ranks):
    own = [rank['not_saving'][0] for rank in ranks]
    assert not torch.equal(*own)
    for rank in ranks:
        torch.testing.assert_close(
            rank['not_saving'][1], (own[0] + own[1]) / 2
        )


def test_checkpoint_holds_the_average(ranks, folder):
    saved = load_checkpoint_file(folder / 'saving/iter_2.pth')['state_dict']
    own = [rank['not_saving'][0] for rank in ranks]
    torch.testing.assert_close(saved[NAME], (own[0] + own[1]) / 2)


def test_processes_continue_with_what_was_saved(ranks, folder):
    saved = load_checkpoint_file(folder / 'saving/iter_2.pth')['state_dict']
    for rank in ranks:
        assert torch.equal(rank['saving'][0], saved[NAME])
