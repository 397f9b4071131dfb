"""Runs that keep batch-norm statistics of source and target apart."""

from pathlib import Path

import gloo
import pytest
import torch
from tiny_models import model_config
from tiny_runs import equal, runner, weights

from mmuda.registry import MODELS
from mmuda.utils.compat import load_checkpoint_file

FIRST = 'backbone.bn1.running_mean'
SOURCE = f'source_statistics.{FIRST.replace(".", "/")}'


def run(folder, iterations=4, **kwargs):
    model = dict(norm_statistics='by_domain', warmup_iters=1)
    found = runner(
        folder,
        iterations,
        hooks=['NormStatisticsSyncHook', 'IterationSeedHook'],
        checkpoint=dict(interval=2),
        model=model | kwargs.pop('model', {}),
        **kwargs,
    )
    found.train()
    return found


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('runs')


def test_both_begin_as_one_where_adaptation_begins(folder):
    one = weights(run(folder / 'warm', 1))
    two = weights(run(folder / 'adapted', 2))
    mixed = weights(
        run(folder / 'mixed', 1, model=dict(norm_statistics='mixed'))
    )
    name = f'segmentor.{FIRST}'
    assert torch.equal(one[name], mixed[name])
    # each domain has counted one batch on top of the warm-up's
    for kept in (name, SOURCE):
        assert not torch.equal(two[kept], one[name])
        assert (two[kept] - 0.9 * one[name]).abs().max() < 1


def test_resumed_run_equals_one_that_never_stopped(folder):
    whole = run(folder / 'whole')
    file = str(folder / 'whole/iter_2.pth')
    resumed = run(folder / 'resumed', resume=True, load_from=file)
    assert equal(weights(whole), weights(resumed))
    assert SOURCE in load_checkpoint_file(file)['state_dict']


def test_models_without_the_option_predict_by_the_target(folder):
    state = weights(run(folder / 'saved', 2))
    model = MODELS.build(model_config('MinEnt'))
    model.load_state_dict(dict(state))
    loaded = model.state_dict()
    assert not any(name.startswith('source_stat') for name in loaded)
    assert torch.equal(
        loaded[f'segmentor.{FIRST}'], state[f'segmentor.{FIRST}']
    )


def in_one_process_of_two(folder):
    state = weights(run(Path(folder, 'two'), 2, launcher='pytorch'))
    return {k.replace('module.', ''): v for k, v in state.items()}


def test_processes_share_statistics_of_the_source(folder):
    first, second = gloo.run(in_one_process_of_two, folder, str(folder))
    saved = load_checkpoint_file(folder / 'two/iter_2.pth')['state_dict']
    assert torch.equal(first[SOURCE], second[SOURCE])
    assert torch.equal(saved[SOURCE], first[SOURCE])
