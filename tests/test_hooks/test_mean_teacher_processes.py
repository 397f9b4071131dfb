"""A teacher in a training by two processes."""

import gloo
import pytest
import torch
from taught_runs import networks, record, recorder, taught
from tiny_runs import equal

from mmuda.models import unwrap

MEAN = 'backbone.bn1.running_mean'


def in_one_process_of_two(folder):
    run = taught(
        folder,
        2,
        dict(momentum=0.6),
        val_interval=2,
        checkpoint=dict(interval=-1, save_last=False),
        launcher='pytorch',
        model=dict(teacher=True, predict_on='teacher'),
    )
    recorded = record(run)
    return dict(
        trained=recorded[-1],
        validated=networks(run),
        trains=recorder(run).teacher_trains,
        names=list(run.model.module.state_dict()),
        wrapped=[
            name
            for name, child in run.model.module.named_children()
            if unwrap(child) is not child
        ],
    )


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return gloo.run(in_one_process_of_two, folder, str(folder / 'run'))


def test_weights_are_equal_in_all_processes(ranks):
    first, second = (rank['trained']['teacher'] for rank in ranks)
    assert not equal(first, ranks[0]['trained']['segmentor'])
    for name, value in first.items():
        if 'running' not in name:
            assert torch.equal(value, second[name]), name


def test_statistics_are_equal_in_all_processes_after_a_validation(ranks):
    before = [rank['trained']['teacher'][MEAN] for rank in ranks]
    assert not torch.equal(*before)
    after = [rank['validated']['teacher'] for rank in ranks]
    torch.testing.assert_close(after[0][MEAN], sum(before) / 2)
    assert equal(*after)


def test_teacher_is_not_wrapped_and_in_evaluation_mode(ranks):
    for rank in ranks:
        assert rank['wrapped'] == ['segmentor']
        assert not any(rank['trains'])
        assert not [name for name in rank['names'] if 'module.' in name]
