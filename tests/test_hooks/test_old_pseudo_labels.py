"""Which rounds of pseudo-labels a training keeps."""

import pytest
import torch
from refreshed_runs import config, log_of, train, write_data

from mmuda.models.players import unwrap
from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError

EACH = dict(begin=0, interval=2)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Weights of a run that keeps all rounds, and its folder."""
    folder = tmp_path_factory.mktemp('whole')
    return weights(train(config(data, folder, hook=EACH))), folder


def weights(runner):
    return unwrap(runner.model).state_dict()


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def keeping(data, work_dir, rounds=1, checkpoints=-1, **changes):
    """A run with a checkpoint an iteration, of which so many are kept."""
    hook = EACH | dict(keep_rounds=rounds)
    cfg = config(data, work_dir, hook=hook, **changes)
    cfg.default_hooks.checkpoint.max_keep_ckpts = checkpoints
    return cfg


def rounds_of(work_dir):
    folders = (work_dir / 'pseudo_labels/target').glob('iter_*')
    return sorted(int(folder.name[5:]) for folder in folders)


def test_all_stay_by_default(whole):
    assert rounds_of(whole[1]) == [0, 2, 4]


@pytest.mark.parametrize(
    ('rounds', 'checkpoints', 'left'),
    [
        # After iteration 4 there are checkpoints 3 (of the round 2), ...
        (1, 1, [2, 4]),
        # ... 2 and 1 (of the round 0).
        (1, 3, [0, 2, 4]),
        (2, 1, [2, 4]),
    ],
)
def test_newest_and_those_of_checkpoints_stay(
    data, tmp_path, rounds, checkpoints, left
):
    train(keeping(data, tmp_path, rounds, checkpoints))
    assert rounds_of(tmp_path) == left


@pytest.fixture(scope='module')
def lean(data, tmp_path_factory):
    """Folder of a run without checkpoints."""
    folder = tmp_path_factory.mktemp('lean')
    cfg = keeping(data, folder)
    cfg.default_hooks.checkpoint.interval = 100
    train(cfg)
    return folder


def test_without_checkpoints_the_newest_is_left(lean):
    assert rounds_of(lean) == [4]


def test_removal_is_one_line_in_the_log(lean):
    lines = [t for t in log_of(lean).splitlines() if 'removed old' in t]
    names = [line.rpartition(': ')[2] for line in lines]
    assert names == ['iter_00000000', 'iter_00000002']


def test_what_changed_is_known_before_the_removal(lean):
    assert log_of(lean).count('changed since the last round') == 2


@pytest.mark.parametrize('workers', [0, 2])
def test_removing_changes_no_weight(data, whole, tmp_path, workers):
    """Loader processes read ahead what is removed then."""
    cfg = keeping(data, tmp_path, workers=workers)
    cfg.default_hooks.checkpoint.interval = 6
    assert equal(weights(train(cfg)), whole[0])


@pytest.mark.parametrize('back', [2, 3])
def test_kept_checkpoints_continue_exactly(data, whole, tmp_path, back):
    """Also one before the newest round, whose own round is needed."""
    train(keeping(data, tmp_path, checkpoints=3, iterations=5))
    start = tmp_path / f'iter_{5 - back + 1}.pth'
    cfg = keeping(data, tmp_path, checkpoints=3)
    assert equal(weights(train(cfg, start)), whole[0])


def test_number_that_keeps_none_is_refused():
    options = dict(type='PseudoLabelRefreshHook', begin=0)
    for rounds in (0, -2):
        with pytest.raises(ConfigError, match=f'keep_rounds={rounds} must'):
            HOOKS.build(options | dict(keep_rounds=rounds))
