import random

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from tiny_runs import equal, runner, weights

from mmuda.registry import HOOKS


@HOOKS.register_module()
class RecordDrawsHook(Hook):
    """Draw one number of each kind in every iteration."""

    def __init__(self):
        self.draws = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.draws.append(
            (random.random(), np.random.rand(), torch.rand(()).item())
        )


def draws(run):
    return next(h for h in run.hooks if isinstance(h, RecordDrawsHook)).draws


def resumed(folder, hooks):
    """Weights after two and two iterations, the second part resumed."""
    runner(folder, 2, hooks, dropout=0.5).train()
    torch.rand(5)
    second = runner(folder, 4, hooks, dropout=0.5, resume=True)
    second.train()
    return second


@pytest.fixture
def whole(tmp_path):
    def train(hooks):
        run = runner(tmp_path / 'whole', 4, hooks, dropout=0.5)
        run.train()
        return run

    return train


def test_resumed_run_with_dropout_equals_a_whole_one(tmp_path, whole):
    hooks = ['IterationSeedHook']
    second = resumed(tmp_path / 'parts', hooks)
    assert equal(weights(whole(hooks)), weights(second))


def test_resumed_run_with_dropout_differs_without_the_hook(tmp_path, whole):
    second = resumed(tmp_path / 'parts', [])
    assert not equal(weights(whole([])), weights(second))


def test_all_libraries_continue_exactly(tmp_path, whole):
    hooks = ['IterationSeedHook', 'RecordDrawsHook']
    second = resumed(tmp_path / 'parts', hooks)
    assert draws(whole(hooks))[2:] == draws(second)


def test_iterations_draw_different_numbers(whole):
    run = whole(['IterationSeedHook', 'RecordDrawsHook'])
    for column in zip(*draws(run), strict=True):
        assert len(set(column)) == 4
