"""Runs of models whose hooks and followers come with the model."""

import custom_terms
import pytest
import torch
from tiny_runs import equal, runner, weights

from mmuda.hooks import MeanTeacherHook
from mmuda.models import unwrap
from mmuda.utils.errors import ConfigError

TERMS = [dict(type='MaskedConsistency'), dict(type='FeatureDistance')]
HOOKS = ['NormStatisticsSyncHook', 'IterationSeedHook']


def taught(folder, iterations, hooks=HOOKS, **kwargs):
    model = dict(
        teacher=dict(momentum=0.6, mode='batch_statistics'), terms=TERMS
    )
    assert custom_terms
    return runner(
        folder, iterations, hooks, model=model, dropout=0.3, **kwargs
    )


def test_resumed_run_equals_a_whole_one(tmp_path):
    whole = taught(tmp_path / 'whole', 4)
    whole.train()
    taught(tmp_path / 'parts', 2).train()
    second = taught(tmp_path / 'parts', 4, resume=True)
    second.train()
    assert equal(weights(whole), weights(second))
    first, other = (
        unwrap(run.model).imagenet.state_dict() for run in (whole, second)
    )
    assert equal(first, other)
    stored = torch.load(tmp_path / 'parts/iter_4.pth', weights_only=False)
    names = {name.split('.')[0] for name in stored['state_dict']}
    assert names == {'segmentor', 'teacher'}


def test_the_loop_adds_the_hook_of_the_teacher(tmp_path):
    run = taught(tmp_path, 1)
    run.train()
    (hook,) = (h for h in run.hooks if isinstance(h, MeanTeacherHook))
    assert hook.momentum == 0.6
    model = unwrap(run.model)
    name = 'decode_head.conv_seg.weight'
    # Half of the first and half of the second weights: a warm-up.
    assert not torch.equal(
        model.teacher.state_dict()[name], model.segmentor.state_dict()[name]
    )


def test_options_in_two_places_are_refused(tmp_path):
    run = taught(tmp_path, 1, [*HOOKS, 'MeanTeacherHook'])
    with pytest.raises(ConfigError, match='momentum: given by the model and'):
        run.train()
