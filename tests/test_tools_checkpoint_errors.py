"""Each fault of a checkpoint ends train.py or test.py in one line."""

import os
import shutil

import demo_data
import pytest
import torch
from failing_tools import CONFIG, before_training, error_of, truncate
from mmengine.runner import Runner

WIDER = {
    'model.segmentor.backbone.base_channels': 16,
    'model.segmentor.decode_head.in_channels': 64,
    'model.segmentor.auxiliary_head.in_channels': 32,
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=1)


@pytest.fixture
def failing(tmp_path, monkeypatch, capfd):
    """Run a tool; return its only error and all output."""

    def run(data, *args, tool='train.py', config=CONFIG, **changes):
        options = demo_data.options(data, max_iters=3, interval=3) | changes
        words = [config, '--work-dir', tmp_path / 'work', *args]
        return error_of(tool, words, options, monkeypatch, capfd)

    return run


@pytest.fixture(scope='module')
def checkpoint(data, tmp_path_factory):
    """A checkpoint with all that a run continues from."""
    work_dir = tmp_path_factory.mktemp('trained')
    changes = {
        'train_cfg.max_iters': 1,
        'default_hooks.checkpoint.interval': 1,
    }
    run = Runner.from_cfg(demo_data.config(data, work_dir, **changes))
    run.train()
    return work_dir / 'iter_1.pth'


def damaged(kind, path, folder):
    """A file that is no checkpoint to trust."""
    damaged_path = folder / f'{kind}.pth'
    if kind == 'truncated':
        shutil.copy(path, damaged_path)
        truncate(damaged_path)
        return damaged_path
    state_dict = torch.load(path, weights_only=False)['state_dict']
    content = dict(
        unsafe=dict(run=print),
        list=[1],
        weights=dict(state_dict=state_dict),
    )
    torch.save(content[kind], damaged_path)
    return damaged_path


@pytest.mark.parametrize(
    ('kind', 'flag', 'message'),
    [
        ('truncated', '--load-from', 'cannot be read as a checkpoint'),
        ('truncated', '--resume', 'cannot be read as a checkpoint'),
        ('unsafe', '--load-from', 'refused, because it holds'),
        ('list', '--load-from', 'holds a list'),
        ('weights', '--resume', 'has no message_hub, meta, optimizer'),
    ],
)
def test_damaged_checkpoint(
    failing, data, checkpoint, tmp_path, kind, flag, message
):
    path = damaged(kind, checkpoint, tmp_path)
    assert message in before_training(failing(data, flag, path))


def test_missing_checkpoint(failing, data):
    error = before_training(failing(data, '--resume', '/no/iter_1.pth'))
    assert error.startswith('error: /no/iter_1.pth: no such checkpoint file')


def test_folder_in_place_of_a_checkpoint(failing, data, checkpoint, tmp_path):
    folder = str(tmp_path / 'run')
    os.mkdir(folder)
    error = before_training(failing(data, '--load-from', folder))
    assert error == f'error: {folder} is a folder; name a checkpoint file'
    for number in (2, 1):
        shutil.copy(checkpoint, f'{folder}/iter_{number}.pth')
        os.utime(f'{folder}/iter_{number}.pth', (number, number))
    error = before_training(failing(data, '--load-from', folder))
    assert error.endswith(f"such as '{folder}/iter_2.pth'")


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_checkpoint_of_another_network(failing, data, checkpoint, tool):
    words = ['--resume', checkpoint] if tool == 'train.py' else [checkpoint]
    error = before_training(failing(data, *words, tool=tool, **WIDER))
    assert 'use the config that it was trained with' in error


@pytest.mark.parametrize('weights', [[1], [1, 1, 1]])
def test_number_of_weights(failing, data, weights):
    words = ['a.pth', 'b.pth', '--weights', *weights]
    error, _ = failing(data, *words, tool='test.py')
    assert error == (
        f'error: 2 checkpoints need as many weights, got {len(weights)}'
    )


@pytest.mark.parametrize(
    'weights', [('nan', 1), ('inf', 1), (0, 0), (-1, 1), (1, -2)]
)
def test_impossible_weights_of_an_ensemble(failing, data, weights):
    given = ' '.join(map(str, weights))
    words = ['a.pth', 'b.pth', '--weights', *weights]
    error, _ = failing(data, *words, tool='test.py')
    assert error == (
        f'error: --weights {given}: must be at least 0, and not all 0'
    )


def test_impossible_weight_of_one_model(failing, data):
    words = ['a.pth', '--weights', 0]
    error, _ = failing(data, *words, tool='test.py')
    assert error == 'error: --weights 0: must be at least 0, and not all 0'


def test_test_data_of_another_number_of_classes(failing, data, checkpoint):
    changes = {'test_dataloader.dataset.label_set': 'synthia16'}
    error, output = failing(data, checkpoint, tool='test.py', **changes)
    assert 'has 19 classes, but the test data has 16' in error
    assert 'Iter(test)' not in output
