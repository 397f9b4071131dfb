"""The whole co-training procedure on toy streets, killed and continued."""

import json
import os
import signal
import subprocess
import sys
import time

import cotraining_runs
import demo_data
import numpy as np
import pytest
import torch

from mmuda.procedures.state import last_validation
from mmuda.utils.compat import load_checkpoint_file

pytestmark = pytest.mark.slow
TOOL = demo_data.ROOT / 'tools' / 'cotrain.py'
# Killed when these appear: in a training and its last validation, after
# labelling, in a selection, in a step of two models, in a merge, and in the
# last labelling.
KILLED_AT = (
    'baseline/training/iter_1.pth',
    'baseline/training/iter_2.pth',
    'self_training/cycle_1/labels/manifest.json',
    'self_training/cycle_1/selected/accumulated.csv',
    'collaboration/cycle_0/a/training.py',
    'collaboration/cycle_1/merged/a/manifest.json',
    'final/labels',
)
OFTEN = {'default_hooks.checkpoint.interval': 1}


def start(folder, work_dir, data, *more):
    words = cotraining_runs.words(data, work_dir, *more, changes=OFTEN.items())
    # Not a pipe, which would fill up while nobody reads it.
    with open(folder / 'printed.txt', 'w') as printed:
        return subprocess.Popen(
            [sys.executable, str(TOOL), *words],
            cwd=folder,
            env=demo_data.ENVIRONMENT,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def text_of_finished(process, folder):
    code = process.wait()
    text = (folder / 'printed.txt').read_text()
    assert code == 0, text
    return text


def kill_at(process, file):
    """Kill the tool and all that it started as soon as a file is there."""
    while not file.exists():
        assert process.poll() is None, f'ended before {file}'
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('toys'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Work dir of a run that nothing stopped, and what it printed."""
    folder = tmp_path_factory.mktemp('whole')
    process = start(folder, folder / 'out', data)
    return folder / 'out', text_of_finished(process, folder)


@pytest.fixture(scope='module')
def continued(data, tmp_path_factory):
    """Work dir of a run that was killed, and has A and B side by side."""
    folder = tmp_path_factory.mktemp('continued')
    words = (folder, folder / 'out', data, '--processes', '2')
    for name in KILLED_AT:
        kill_at(start(*words), folder / 'out' / name)
    return folder / 'out', text_of_finished(start(*words), folder)


def selections(work_dir):
    files = work_dir.rglob('keys.txt')
    return {str(f.relative_to(work_dir)): f.read_text() for f in files}


def weights(work_dir):
    file = work_dir / 'final/training/iter_2.pth'
    return load_checkpoint_file(file)['state_dict']


@pytest.mark.parametrize('run', ['whole', 'continued'])
def test_all_stages_are_done(run, request):
    work_dir, _ = request.getfixturevalue(run)
    state = json.loads((work_dir / 'state.json').read_text())
    assert {s['status'] for s in state['stages'].values()} <= {
        'done',
        'skipped',
    }
    assert len(state['stages']) == 33


def test_finished_stages_are_not_done_again(continued):
    assert '[2/25] baseline/train: done before' in continued[1]


def test_killed_validation_is_made_up_for(continued):
    assert last_validation(continued[0] / 'baseline/training')


def test_same_images_are_selected_after_kills(whole, continued):
    assert selections(whole[0]) == selections(continued[0])


def test_final_weights_are_the_same_after_kills(whole, continued):
    first, second = weights(whole[0]), weights(continued[0])
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_both_models_differ(whole):
    pair = [
        load_checkpoint_file(
            whole[0] / f'collaboration/cycle_1/{name}/training/iter_2.pth'
        )['state_dict']
        for name in 'ab'
    ]
    name = 'segmentor.decode_head.conv_seg.weight'
    assert not torch.equal(pair[0][name], pair[1][name])


def test_final_thresholds_are_the_lower_ones(whole):
    folders = ('collaboration/cycle_1/a', 'collaboration/cycle_1/b', 'final')
    limits = []
    for folder in folders:
        file = whole[0] / folder / 'labels/manifest.json'
        thresholds = json.loads(file.read_text())['thresholds'].values()
        limits.append([np.nan if v is None else v for v in thresholds])
    first, second, final = np.array(limits)
    np.testing.assert_array_equal(final, np.fmin(first, second))


def test_table_shows_the_result(whole):
    assert 'cityscapes/mIoU' in whole[1]
