"""kill -9 at twenty random moments changes nothing in the end."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial

import cotraining_runs
import demo_data
import pytest
import several_target_tools
import torch
from test_tools_train_and_test import CONFIG, overrides

from mmuda.utils.compat import load_checkpoint_file

pytestmark = pytest.mark.slow
KILLS = 5
TEMPORARY = re.compile(r'\..*\.[0-9a-f]{8}(\..*)?')
SHORT = {
    'train_cfg.max_iters': 20,
    'train_cfg.val_interval': 10,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.checkpoint.max_keep_ckpts': 2,
}


def advent(data, work_dir):
    loaders = {
        'train_dataloader.num_workers': 1,
        'train_dataloader.persistent_workers': True,
    }
    options = overrides(data, **SHORT, **loaders)
    return ['train.py', CONFIG, '--work-dir', work_dir, '--resume', *options]


def mtkt(data, work_dir):
    config = several_target_tools.write_config(data, data / 'several')
    words = ['train.py', config, '--work-dir', work_dir, '--resume']
    return [*words, '--cfg-options', *(f'{k}={v}' for k, v in SHORT.items())]


def esl(data, work_dir):
    config = demo_data.ROOT / 'configs/demo/demo_esl_gta2cs.py'
    options = overrides(data, **SHORT)
    return [
        *('self_train.py', config, '--work-dir', work_dir, '--seed', 3),
        *options,
        *('--initial-cfg-options', *options[1:]),
    ]


def cotraining(data, work_dir):
    often = {'default_hooks.checkpoint.interval': 1}.items()
    return [
        'cotrain.py',
        *cotraining_runs.words(data, work_dir, changes=often),
    ]


# The command, its last checkpoint, and the part of a whole run's time within
# which each kill comes: recipes have many stages.
METHODS = dict(
    advent=(advent, 'iter_20.pth', 1.0),
    mtkt=(mtkt, 'iter_20.pth', 1.0),
    esl=(esl, 'round_1/iter_20.pth', 0.5),
    cotraining=(cotraining, 'final/training/iter_2.pth', 0.35),
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('toys')
    several_target_tools.write_data(folder / 'several')
    return demo_data.write(folder)


def start(words, log):
    tool, *arguments = map(str, words)
    with open(log, 'ab') as printed:
        return subprocess.Popen(
            [sys.executable, demo_data.ROOT / 'tools' / tool, *arguments],
            cwd=log.parent,
            env=demo_data.ENVIRONMENT,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(words, log):
    code = start(words, log).wait()
    assert code == 0, log.read_text()[-5000:]


def is_killed(words, log, seconds):
    """Kill a run after some time; False if it has ended before."""
    process = start(words, log)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    assert code == 0, log.read_text()[-5000:]
    return False


def weights(file):
    return load_checkpoint_file(str(file))['state_dict']


def assert_alike(folder, expected, result):
    state = weights(folder / 'run' / result)
    assert state.keys() == expected.keys()
    for name, value in state.items():
        assert torch.equal(value, expected[name]), name
    left = [p for p in folder.rglob('.*') if TEMPORARY.fullmatch(p.name)]
    assert left == []


@pytest.mark.parametrize('method', METHODS)
def test_killed_runs_end_as_one_that_was_not(data, tmp_path, method):
    words, result, part = METHODS[method]
    words = partial(words, data)
    (tmp_path / 'whole').mkdir()
    before = time.monotonic()
    finish(words(tmp_path / 'whole/run'), tmp_path / 'whole/log')
    seconds = part * (time.monotonic() - before)
    expected = weights(tmp_path / 'whole/run' / result)
    moments, kills, number = random.Random(method), [], 0
    while len(kills) < KILLS:
        folder = tmp_path / f'killed_{number}'
        folder.mkdir(exist_ok=True)
        run = words(folder / 'run'), folder / 'log'
        moment = moments.uniform(0, seconds)
        if is_killed(*run, moment):
            kills.append(round(moment, 1))
        else:
            assert_alike(folder, expected, result)
            number += 1
    folder = tmp_path / f'killed_{number}'
    finish(words(folder / 'run'), folder / 'log')
    assert_alike(folder, expected, result)
    print(f'{method}: killed after {kills} s, {number + 1} runs alike')
