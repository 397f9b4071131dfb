"""Methods for several targets continue as if they had not been stopped."""

import pytest
import torch
from collaborative_runs import adversarial_config, write
from refreshed_runs import log_of, train

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import ConfigError

HOOK = dict(type='CollaborativeConsistencyHook')
# Heads begin to teach each other one iteration after the continued run does.
HOOKS = dict(
    MultiDis=None,
    MTKT=HOOK | dict(distillation_begin=3),
    MultiHeadAdvEnt=None,
    CCL=HOOK | dict(distillation_begin=3),
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module', params=HOOKS)
def runs(request, data, tmp_path_factory):
    """An uninterrupted run, and one that continues after iteration 2."""
    folder = tmp_path_factory.mktemp(request.param)
    for name, start, workers in (
        ('whole', None, 0),
        ('continued', folder / 'whole/iter_2.pth', 2),
    ):
        options = dict(iterations=4, workers=workers)
        cfg = adversarial_config(
            data, folder / name, request.param, HOOKS[request.param], **options
        )
        cfg.default_hooks.checkpoint.interval = 2
        train(cfg, start)
    return folder, request.param


def differences(a, b, path=''):
    """Places at which two checkpoints differ."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [path]
    if isinstance(a, list | tuple):
        a, b = dict(enumerate(a)), dict(enumerate(b))
    if not isinstance(a, dict):
        return [] if a == b else [path]
    if list(a) != list(b):
        return [path]
    return [
        place
        for key, value in a.items()
        for place in differences(value, b[key], f'{path}.{key}')
    ]


def last(runs, name, part):
    return load_checkpoint_file(str(runs[0] / name / 'iter_4.pth'))[part]


@pytest.mark.parametrize('part', ['state_dict', 'optimizer'])
def test_continued_run_is_bit_identical(runs, part):
    whole, continued = (last(runs, n, part) for n in ('whole', 'continued'))
    assert differences(whole, continued) == []


def test_distillation_begins_in_both_runs(runs):
    expected = int(HOOKS[runs[1]] is not None)
    for name in ('whole', 'continued'):
        text = log_of(runs[0] / name)
        assert text.count('From iteration 4: distillation') == expected


def test_every_player_learns_in_the_second_half(runs):
    half = load_checkpoint_file(str(runs[0] / 'whole/iter_2.pth'))
    whole = last(runs, 'whole', 'state_dict')
    changed = differences(half['state_dict'], whole)
    players = {path.split('.')[1] for path in changed if 'weight' in path}
    assert players == set(last(runs, 'whole', 'optimizer'))


@pytest.mark.parametrize('method', ['MultiDis', 'MultiHeadAdvEnt'])
def test_methods_without_a_schedule_refuse_the_hook(data, tmp_path, method):
    cfg = adversarial_config(data, tmp_path, method, HOOK)
    with pytest.raises(ConfigError, match=f'{method} has no heads that teach'):
        train(cfg)
