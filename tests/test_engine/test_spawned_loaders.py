"""Loader processes that inherit nothing, as on macOS and Windows."""

import multiprocessing

import demo_data
import pytest
import torch

from mmuda.engine import UDARunner


@pytest.fixture
def start_method():
    """Give the tests that follow the method they had."""
    before = multiprocessing.get_start_method(allow_none=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def train(data, work_dir, **changes):
    changes = {
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 100,
        'default_hooks.checkpoint.interval': 100,
        'custom_hooks': [dict(type='GracefulStopHook')],
        **changes,
    }
    run = UDARunner.from_cfg(demo_data.config(data, work_dir, **changes))
    run.train()
    return run


@pytest.mark.usefixtures('start_method')
def test_a_spawned_loader_gives_the_same_training(tmp_path):
    data = demo_data.write(tmp_path / 'data', count=2)
    spawned = train(
        data,
        tmp_path / 'spawned',
        **{
            'train_dataloader.num_workers': 1,
            'env_cfg.mp_cfg.mp_start_method': 'spawn',
        },
    )
    assert multiprocessing.get_start_method() == 'spawn'
    assert spawned.train_dataloader.num_workers == 1
    alone = train(data, tmp_path / 'alone').model.state_dict()
    for name, value in spawned.model.state_dict().items():
        assert torch.equal(value, alone[name]), name
