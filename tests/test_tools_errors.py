"""Each fault of a user ends train.py or test.py in one line."""

import runpy
import shutil
import signal
import subprocess
import sys
import uuid

import cv2
import demo_data
import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from mmuda.utils.cli import run_tool

CONFIG = demo_data.ROOT / 'configs' / 'demo' / 'advent_gta2cs.py'
TOOLS = {
    name: runpy.run_path(str(demo_data.ROOT / 'tools' / name))
    for name in ('train.py', 'test.py')
}
SOURCE = 'train_dataloader.dataset.source'
TARGET = 'train_dataloader.dataset.target'
PIPELINE = f'{SOURCE}.pipeline'
SEGMENTOR = 'model.segmentor'
OPTIMIZER = 'optim_wrapper.segmentor.optimizer'
WIDER = {
    'model.segmentor.backbone.base_channels': 16,
    'model.segmentor.decode_head.in_channels': 64,
    'model.segmentor.auxiliary_head.in_channels': 32,
}
# Files of the data; each pattern matches at least two.
FILES = dict(
    images='GTA5/images/*.png',
    labels='GTA5/labels/*.png',
    targets='Cityscapes/leftImg8bit/train/*/*.png',
    validation='Cityscapes/leftImg8bit/val/*/*.png',
    truth='Cityscapes/gtFine/val/*/*labelIds.png',
)


@pytest.fixture(autouse=True)
def signals():
    """An error leaves the handlers of the training to the exit."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('errors'), count=3)


@pytest.fixture
def copy(data, tmp_path):
    """A copy of the data that may be damaged."""
    return shutil.copytree(data, tmp_path / 'data')


@pytest.fixture
def failing(tmp_path, monkeypatch, capfd):
    """Run a tool in this process; return its only error and all output."""

    def run(data, *args, tool='train.py', config=CONFIG, **changes):
        options = demo_data.options(data, max_iters=3, interval=3) | changes
        if '--work-dir' not in args:
            args = ('--work-dir', tmp_path / 'work', *args)
        # Runs of one name would share a logger, and its closed streams.
        options['experiment_name'] = uuid.uuid4().hex
        words = [tool, config, *args, '--cfg-options']
        words += [f'{k}={v}'.replace(' ', '') for k, v in options.items()]
        monkeypatch.setattr(sys, 'argv', [str(word) for word in words])
        code = run_tool(TOOLS[tool]['main'], TOOLS[tool]['parse_args']())
        printed = capfd.readouterr()
        lines = printed.err.splitlines()
        errors = [line for line in lines if line.startswith('error: ')]
        assert code == 2
        assert errors == lines[-1:]
        assert 'Traceback' not in printed.out + printed.err
        return errors[0], printed.out + printed.err

    return run


def before_training(result):
    error, output = result
    assert 'Iter(train)' not in output
    return error


def files(folder, name):
    return sorted(folder.glob(FILES[name]))


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def shrink(path):
    cv2.imwrite(str(path), np.zeros((20, 50), np.uint8))


def renumber(path):
    cv2.imwrite(str(path), np.full((48, 96), 77, np.uint8))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        (f'{SOURCE}.data_root', '/no/gta', "'/no/gta' is not a folder"),
        (f'{TARGET}.data_root', '/no/cs', "'/no/cs' is not a folder"),
        (f'{SOURCE}.ann_file', '/no/list.txt', "'/no/list.txt' does not"),
        (f'{TARGET}.include', '[oslo/*]', 'include or exclude'),
        (f'{TARGET}.indices', 0, 'indices=0 leaves no image'),
        (f'{SOURCE}.label_set', 'synthia16', 'source has 16'),
        ('val_dataloader.dataset.label_set', 'synthia16', 'validation data'),
        (f'{SEGMENTOR}.auxiliary_head.num_classes', 16, "'aux' has 16"),
        ('model.discriminator.in_channels', 16, 'in_channels is 16'),
        (f'{SEGMENTOR}.backbone.pretrained', '/no/r.pth', '/no/r.pth: no'),
    ],
)
def test_value_that_does_not_fit(failing, data, key, value, message):
    assert message in before_training(failing(data, **{key: value}))


@pytest.mark.parametrize(
    'key',
    [
        'model.lambda_adv',
        f'{SEGMENTOR}.backbone.dept',
        f'{SEGMENTOR}.decode_head.loss_decode.loss_wieght',
        f'{SOURCE}.dataroot',
        'train_dataloader.batchsize',
        'default_hooks.checkpoint.intervall',
        f'{OPTIMIZER}.lrate',
    ],
)
def test_unknown_key(failing, data, key):
    error = before_training(failing(data, **{key: 1}))
    assert error.startswith(f'error: {key}: ')
    assert f"takes no '{key.rpartition('.')[2]}'" in error


@pytest.mark.parametrize(
    ('key', 'value', 'near'),
    [
        ('model.type', 'AdvEntt', 'AdvEnt'),
        (f'{SEGMENTOR}.decode_head.type', 'DLV2head', 'DLV2Head'),
        (f'{TARGET}.type', 'CityscapesLabelIDs', 'CityscapesLabelIdsDataset'),
        ('val_evaluator.0.type', 'DomainIouMetric', 'DomainIoUMetric'),
        ('param_scheduler.1.type', 'PolyLr', 'PolyLR'),
        (f'{OPTIMIZER}.type', 'SDG', None),
    ],
)
def test_misspelt_type(failing, data, key, value, near):
    key_of_message = key.replace('.0.', '[0].').replace('.1.', '[1].')
    hint = f" (did you mean '{near}'?)" if near else ''
    assert before_training(failing(data, **{key: value})) == (
        f"error: {key_of_message}: no class '{value}'{hint}"
    )


@pytest.mark.parametrize(
    ('name', 'damage', 'message'),
    [
        ('labels', lambda path: path.unlink(), 'are missing'),
        ('images', truncate, 'cannot read'),
        ('labels', shrink, '50x20'),
        ('labels', renumber, 'has ids [77]'),
        ('targets', truncate, 'cannot read'),
        ('truth', truncate, 'cannot read'),
    ],
)
def test_first_file_is_damaged(failing, copy, name, damage, message):
    path = files(copy, name)[0]
    damage(path)
    error = before_training(failing(copy))
    assert message in error
    assert str(path) in error


@pytest.mark.parametrize('name', ['images', 'truth'])
def test_later_file_is_damaged(failing, copy, name):
    path = files(copy, name)[-1]
    truncate(path)
    error, _ = failing(copy)
    assert error.startswith(f"error: cannot read '{path}'")


def test_loader_process_meets_a_damaged_file(copy, tmp_path):
    path = files(copy, 'validation')[-1]
    truncate(path)
    options = demo_data.options(copy, max_iters=1, interval=1)
    options['train_dataloader.num_workers'] = 2
    options['val_dataloader.num_workers'] = 2
    tool = [sys.executable, demo_data.ROOT / 'tools' / 'train.py', CONFIG]
    result = subprocess.run(
        [*tool, '--work-dir', tmp_path / 'work', '--cfg-options']
        + [f'{k}={v}' for k, v in options.items()],
        env=demo_data.ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"error: cannot read '{path}'")


def test_split_without_images(failing, copy):
    for path in files(copy, 'targets'):
        path.unlink()
    assert '*_leftImg8bit.png' in before_training(failing(copy))


@pytest.mark.parametrize(
    ('optimizers', 'message'),
    [
        ('discriminator=dict(_delete_=True)', 'discriminator has no opt'),
        (
            "_delete_=True, type='OptimWrapper', "
            "optimizer=dict(type='SGD', lr=0.01)",
            "no entry 'discriminator'",
        ),
    ],
)
def test_discriminator_without_optimizer(
    failing, data, tmp_path, optimizers, message
):
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\noptim_wrapper = dict({optimizers})\n"
    )
    assert message in before_training(failing(data, config=config))


def test_image_too_small_for_the_discriminator(failing, data):
    resize = f'{TARGET}.pipeline.1.scale'
    changes = {resize: '(48,24)', 'model.warmup_iters': 0}
    error = before_training(failing(data, **changes))
    assert '(24, 48) pixels is smaller than 32x32' in error


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
    if kind == 'truncated':
        copied = shutil.copy(path, folder / 'truncated.pth')
        truncate(folder / 'truncated.pth')
        return copied
    content = dict(
        unsafe=dict(run=print),
        list=[1],
        weights=dict(
            state_dict=torch.load(path, weights_only=False)['state_dict']
        ),
    )
    torch.save(content[kind], folder / f'{kind}.pth')
    return folder / f'{kind}.pth'


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


def test_work_dir_that_is_a_file(failing, data, tmp_path):
    (tmp_path / 'file').touch()
    error, _ = failing(data, '--work-dir', tmp_path / 'file')
    assert error.startswith('error: --work-dir: cannot write to')


@pytest.mark.parametrize('flag', ['--out', '--show-dir'])
def test_output_folder_that_is_a_file(failing, data, tmp_path, flag):
    (tmp_path / 'file').touch()
    error, _ = failing(data, 'x.pth', flag, tmp_path / 'file', tool='test.py')
    assert error.startswith(f'error: {flag}: cannot write to')
