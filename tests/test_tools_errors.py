"""Each fault of config or data ends train.py or test.py in one line."""

import shutil
import sys

import cv2
import demo_data
import numpy as np
import pytest
import warm_processes
from failing_tools import CONFIG, before_training, error_of, truncate

SOURCE = 'train_dataloader.dataset.source'
TARGET = 'train_dataloader.dataset.target'
PIPELINE = f'{SOURCE}.pipeline'
SEGMENTOR = 'model.segmentor'
OPTIMIZER = 'optim_wrapper.segmentor.optimizer'
# Files of the data; each pattern matches at least two.
FILES = dict(
    images='GTA5/images/*.png',
    labels='GTA5/labels/*.png',
    targets='Cityscapes/leftImg8bit/train/*/*.png',
    validation='Cityscapes/leftImg8bit/val/*/*.png',
    truth='Cityscapes/gtFine/val/*/*labelIds.png',
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('errors'), count=3)


@pytest.fixture
def copy(data, tmp_path):
    """A copy of the data that may be damaged."""
    return shutil.copytree(data, tmp_path / 'data')


@pytest.fixture
def failing(tmp_path, monkeypatch, capfd):
    """Run a tool; return its only error and all output."""

    def run(data, *args, tool='train.py', config=CONFIG, **changes):
        options = demo_data.options(data, max_iters=3, interval=3) | changes
        words = [config, '--work-dir', tmp_path / 'work', *args]
        return error_of(tool, words, options, monkeypatch, capfd)

    return run


def files(folder, name):
    return sorted(folder.glob(FILES[name]))


def shrink(path):
    cv2.imwrite(str(path), np.zeros((20, 50), np.uint8))


def renumber(path):
    cv2.imwrite(str(path), np.full((48, 96), 77, np.uint8))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        (
            f'{SOURCE}.data_root',
            '/no/gta',
            "'/no/gta' (source) is not a folder",
        ),
        (f'{TARGET}.data_root', '/no/cs', "'/no/cs' (target) is not a folder"),
        (f'{SOURCE}.ann_file', '/no/list.txt', "'/no/list.txt' does not"),
        (f'{TARGET}.include', '[oslo/*]', 'include or exclude'),
        (f'{TARGET}.indices', 0, 'indices=0 leaves no image'),
        (f'{SOURCE}.label_set', 'synthia16', 'source has 16'),
        ('val_dataloader.dataset.label_set', 'synthia16', 'validation data'),
        (f'{SEGMENTOR}.auxiliary_head.num_classes', 16, "'aux' has 16"),
        ('model.discriminator.in_channels', 16, 'in_channels is 16'),
        (f'{SEGMENTOR}.backbone.pretrained', '/no/r.pth', "'/no/r.pth' does"),
    ],
)
def test_value_that_does_not_fit(failing, data, key, value, message):
    assert message in before_training(failing(data, **{key: value}))


@pytest.mark.parametrize('lost', [('val',), ('source', 'target', 'val')])
def test_missing_folders_of_data_are_named_together(failing, data, lost):
    keys = dict(source=SOURCE, target=TARGET, val='val_dataloader.dataset')
    roots = {f'{keys[name]}.data_root': f'/no/{name}' for name in lost}
    error = before_training(failing(data, **roots))
    for name in lost:
        assert f"'/no/{name}'" in error
    assert ('are not folders' in error) == (len(lost) > 1)
    advice = ' '.join(f'{name}=DIR' for name in lost if name != 'val')
    expected = f'--data-root {advice}' if advice else 'val_dataloader=None'
    assert error.rstrip().endswith(expected)


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
        ('param_scheduler.1.type', 'PolyLr', 'PolyLR'),
        (f'{OPTIMIZER}.type', 'SDG', None),
    ],
)
def test_misspelt_type(failing, data, key, value, near):
    key_of_message = key.replace('.1.', '[1].')
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
    assert error.startswith('error: ')
    assert f": cannot read '{path}'" in error


def test_loader_process_meets_a_damaged_file(copy, tmp_path):
    path = files(copy, 'validation')[-1]
    truncate(path)
    options = demo_data.options(copy, max_iters=1, interval=1)
    options['train_dataloader.num_workers'] = 2
    options['val_dataloader.num_workers'] = 2
    tool = [sys.executable, demo_data.ROOT / 'tools' / 'train.py', CONFIG]
    result = warm_processes.run(
        [*tool, '--work-dir', tmp_path / 'work', '--cfg-options']
        + [f'{k}={v}' for k, v in options.items()],
        env=demo_data.ENVIRONMENT,
        timeout=120,
    )
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith('error: ')
    assert f": cannot read '{path}'" in last


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
    changes = {resize: '(48,24)', 'model.warmup_iters': 100}
    error = before_training(failing(data, **changes))
    assert "'target' are 48x24 pixels, the discriminator needs 32x32" in error


def test_work_dir_that_is_a_file(failing, data, tmp_path):
    (tmp_path / 'file').touch()
    error, _ = failing(data, '--work-dir', tmp_path / 'file')
    assert error.startswith('error: --work-dir: cannot write to')


@pytest.mark.parametrize('flag', ['--out', '--show-dir'])
def test_output_folder_that_is_a_file(failing, data, tmp_path, flag):
    (tmp_path / 'file').touch()
    error, _ = failing(data, 'x.pth', flag, tmp_path / 'file', tool='test.py')
    assert error.startswith(f'error: {flag}: cannot write to')
