"""Faults of one of several targets, and labels that it does not have."""

import re
import shutil
import sys

import demo_data
import pytest
import warm_processes
from failing_tools import before_training, error_of
from several_target_tools import LABELS, call, write_config, write_data

TARGETS = 'train_dataloader.dataset.targets'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture
def copy(data, tmp_path):
    """A copy of the data that may be damaged."""
    return shutil.copytree(data, tmp_path / 'data')


@pytest.fixture
def failing(tmp_path, monkeypatch, capfd):
    """Run train.py, which must fail before training; return its error."""

    def run(data, **options):
        words = [write_config(tmp_path, data), '--work-dir', tmp_path / 'run']
        result = error_of('train.py', words, options, monkeypatch, capfd)
        return before_training(result)

    return run


def without_labels(data, *targets):
    """Remove the validation labels of some targets."""
    for target in targets:
        shutil.rmtree(data / LABELS[target])
    return data


@pytest.fixture(scope='module')
def partly_evaluated(data, tmp_path_factory):
    """The log of a training without the labels of Oslo, and its folder."""
    folder = tmp_path_factory.mktemp('partly')
    copy = shutil.copytree(data, folder / 'data')
    config = write_config(folder, without_labels(copy, 'oslo'))
    call('train.py', [config, '--work-dir', folder])
    return next(folder.glob('*/*.log')).read_text(), folder


def test_target_without_images(failing, copy):
    for path in (copy / 'Oslo/leftImg8bit/train').rglob('*.png'):
        path.unlink()
    error = failing(copy)
    message = f"no image '*_leftImg8bit.png' below '{copy}/Oslo"
    assert f"domain 'oslo': {message}" in error


def test_classes_of_targets_that_disagree(failing, data):
    error = failing(data, **{f'{TARGETS}.oslo.label_set': 'synthia16'})
    assert "domains 'source' and 'oslo' have different classes" in error


def test_classes_of_validation_that_disagree(failing, data):
    key = 'val_dataloader.1.dataset.label_set'
    error = failing(data, **{key: 'synthia16'})
    assert '19 classes, but the validation oslo data has 16' in error


def seven_class(key, label_set):
    """All data of seven classes, one part by another convention."""
    places = [
        *('train_dataloader.dataset.source', f'{TARGETS}.rome'),
        *(f'{TARGETS}.oslo', 'val_dataloader.0.dataset'),
        *('val_dataloader.1.dataset', 'test_dataloader.0.dataset'),
        'test_dataloader.1.dataset',
    ]
    options = {f'{place}.label_set': 'seven_class' for place in places}
    return options | {f'{key}.label_set': label_set}


def test_conventions_of_targets_that_disagree(failing, data):
    options = seven_class(f'{TARGETS}.oslo', 'seven_class_consistent')
    error = failing(data, **options)
    assert "'source' has label_set='seven_class', but 'oslo' has" in error


def test_conventions_of_validation_that_disagree(failing, data):
    options = seven_class('val_dataloader.1.dataset', 'seven_class_consistent')
    for part in ('decode_head', 'auxiliary_head'):
        options[f'model.segmentor.{part}.num_classes'] = 7
    options['model.discriminator.in_channels'] = 7
    error = failing(data, **options)
    assert "but 'validation oslo' has label_set='seven_class_con" in error


@pytest.mark.parametrize('targets', ['[rome,rome]', '[rome,oslo,rome]'])
def test_model_that_names_a_target_twice(failing, data, targets):
    options = {'model.targets': targets, 'model.segmentor.targets': targets}
    assert 'targets names a target twice' in failing(data, **options)


def test_evaluators_of_one_name(failing, data):
    error = failing(data, **{'val_evaluator.1.prefix': 'rome'})
    assert "the prefixes ['rome', 'rome']" in error


def test_validation_images_that_are_missing(failing, copy):
    shutil.rmtree(copy / 'Oslo/leftImg8bit/val')
    without_labels(copy, 'oslo')
    assert f"folder '{copy}/Oslo/leftImg8bit/val' does not" in failing(copy)


def test_a_label_that_is_missing(failing, copy):
    path = sorted((copy / LABELS['rome']).rglob('*labelIds.png'))[0]
    path.unlink()
    error = failing(copy)
    assert '1 file(s) are missing' in error
    assert str(path) in error


def test_no_labels_of_any_target(failing, copy):
    error = failing(without_labels(copy, 'rome', 'oslo'))
    assert "save_best='mean/mIoU' needs a validation" in error
    for folder in LABELS.values():
        assert str(copy / folder) in error


def test_best_checkpoint_by_a_target_without_labels(failing, copy):
    key = 'default_hooks.checkpoint.save_best'
    error = failing(without_labels(copy, 'oslo'), **{key: 'oslo/mIoU'})
    assert "save_best='oslo/mIoU': there are no labels of 'oslo'" in error


def test_one_warning_names_target_and_folder(partly_evaluated):
    log, folder = partly_evaluated
    warnings = re.findall(r'WARNING - (Target .*)', log)
    assert warnings == [
        "Target 'oslo' is not evaluated: there are no labels in "
        f"'{folder}/data/Oslo/gtFine/val'"
    ]


def test_target_without_labels_is_trained_on(partly_evaluated):
    log, _ = partly_evaluated
    losses = re.findall(r'(oslo\.decode\.\w+): [\d.]+', log)
    assert losses


def test_target_without_labels_has_a_row(partly_evaluated):
    log, _ = partly_evaluated
    assert len(re.findall(r'\| oslo +\| not evaluated \| +- \|', log)) == 1
    assert len(re.findall(r'\| mean of 1 \|', log)) == 1


def test_the_best_of_the_targets_with_labels(partly_evaluated):
    _, folder = partly_evaluated
    assert len(list(folder.glob('best_mean_mIoU_iter_2.pth'))) == 1


def test_test_without_the_labels_of_a_target(partly_evaluated, tmp_path):
    _, folder = partly_evaluated
    checkpoint = folder / 'iter_2.pth'
    words = [folder / 'mtkt.py', checkpoint, '--work-dir', tmp_path]
    call('test.py', words)
    log = next(tmp_path.glob('*/*.log')).read_text()
    mean = re.search(r'mean/mIoU: ([\d.]+)', log)[1]
    assert re.search(r'rome/mIoU: ([\d.]+)', log)[1] == mean
    assert len(re.findall(r'\| oslo +\| not evaluated', log)) == 1


def check_data(config):
    """Run check_data.py; return its code and all output."""
    tool = demo_data.ROOT / 'tools/misc/check_data.py'
    result = warm_processes.run(
        [sys.executable, tool, config],
        env=demo_data.ENVIRONMENT,
    )
    return result.returncode, result.stdout + result.stderr


def test_check_without_the_labels_of_a_target(partly_evaluated):
    _, folder = partly_evaluated
    code, output = check_data(folder / 'mtkt.py')
    message = f"not evaluated: there are no labels in '{folder}/data/Oslo"
    assert output.count(message) == 1
    assert 'no fault found' in output
    assert code == 0


def test_check_without_the_labels_of_any_target(copy, tmp_path):
    without_labels(copy, 'rome', 'oslo')
    code, output = check_data(write_config(tmp_path, copy))
    assert output.count('not evaluated: there are no labels in') == 2
    assert 'no fault found' in output
    assert code == 0


def test_check_of_labels_that_are_elsewhere(copy, tmp_path):
    for target in LABELS:
        folder = copy / LABELS[target]
        folder.rename(folder.with_name('validation'))
    code, output = check_data(write_config(tmp_path, copy))
    assert output.count('ERROR folder') == 2
    assert code == 1
