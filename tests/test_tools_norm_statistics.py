"""Tools on checkpoints with batch-norm statistics of the target."""

import re

import demo_data
import pytest
import torch
from several_target_tools import call
from tools_in_process import load_tool, run_loaded

from mmuda.utils.compat import load_checkpoint_file

CONFIGS = demo_data.ROOT / 'configs/demo'


def options(data, **changes):
    given = demo_data.options(data, max_iters=2)
    for key in list(given):
        if key.startswith(('train_dataloader.dataset', 'model.disc')):
            del given[key]
    return given | changes


def results(folder):
    log = sorted(folder.glob('*/*.log'))[-1].read_text()
    line = log.splitlines()[-1]
    found = re.findall(r'(\S+): ([\d.]+)  ', line.partition('Iter(test)')[2])
    return {k: v for k, v in found if '/' in k}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), 4)


def roots(data):
    parts = dict(source='GTA5', target='Cityscapes')
    return ['--data-root', *(f'{k}={data / v}' for k, v in parts.items())]


def train(data, folder, **changes):
    words = [CONFIGS / 'demo_source_only_gta2cs.py', '--work-dir', folder]
    call('train.py', [*words, *roots(data)], options(data, **changes))
    return folder / 'iter_2.pth'


@pytest.fixture(scope='module')
def mixed(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp('mixed'))


TARGET = {
    'model.norm_statistics.mode': 'target',
    'model.norm_statistics.images': 4,
    'model.norm_statistics.num_workers': 0,
}


@pytest.fixture(scope='module')
def target(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp('target'), **TARGET)


def evaluate(data, folder, checkpoint, **changes):
    config = CONFIGS / 'demo_source_only_gta2cs.py'
    words = [config, checkpoint, '--work-dir', folder, *roots(data)]
    call('test.py', words, options(data, **changes))
    return results(folder)


def test_source_only_never_trains_on_the_target(mixed, target):
    first, second = map(load_checkpoint_file, (mixed, target))
    kept = second['training_statistics']
    for name, values in first['state_dict'].items():
        own = kept.get(name, second['state_dict'][name])
        assert torch.equal(own, values), name


def test_statistics_measured_in_a_test_are_those_that_training_saves(
    data, mixed, target, tmp_path
):
    measured = evaluate(data, tmp_path / 'measured', mixed, **TARGET)
    assert evaluate(data, tmp_path / 'saved', target) == measured
    assert evaluate(data, tmp_path / 'mixed', mixed) != measured
    # what a checkpoint has is not measured again
    assert evaluate(data, tmp_path / 'again', target, **TARGET) == measured


def test_ensemble_measures_for_the_member_that_has_none(
    data, mixed, target, tmp_path
):
    config = CONFIGS / 'demo_source_only_gta2cs.py'
    found = []
    for name, files in dict(a=(mixed, target), b=(target, target)).items():
        folder = tmp_path / name
        words = [config, *files, '--work-dir', folder, *roots(data)]
        call('test.py', words, options(data, **TARGET))
        found.append(results(folder))
    assert found[0] == found[1]


def test_plain_network_predicts_by_the_target_and_says_so(target):
    tool = load_tool('model_converters/extract_segmentor.py')
    plain = tool['convert_checkpoint'](str(target))
    saved = load_checkpoint_file(target)['state_dict']
    for name, values in plain['state_dict'].items():
        assert torch.equal(values, saved[f'segmentor.{name}']), name
    assert plain['meta']['norm_statistics'] == dict(of='target', images=4)


def test_labels_are_made_by_statistics_of_the_target(
    data, mixed, target, tmp_path
):
    config = CONFIGS / 'demo_esl_gta2cs.py'
    changes = options(data, **TARGET) | {
        'model.discriminator.base_channels': 4,
        'pseudo_labels.num_workers': 0,
    }
    labels = []
    for name, file in dict(measured=mixed, saved=target).items():
        folder = tmp_path / name
        words = [config, file, '--out', folder, *roots(data)]
        call('generate_pseudo_labels.py', words, changes)
        files = sorted(folder.rglob('*.png'))
        labels.append([file.read_bytes() for file in files])
    assert len(labels[0]) == 4
    assert labels[0] == labels[1]


def test_augmented_source_only_has_statistics_of_its_average(data, tmp_path):
    fair = {
        'model.augmentation': True,
        'model.teacher.momentum': 0.5,
        'model.teacher.buffers': 'ema',
        'model.predict_on': 'teacher',
    }
    files = [
        train(data, tmp_path / name, **fair, **changes)
        for name, changes in dict(target=TARGET, mixed={}).items()
    ]
    held = load_checkpoint_file(files[0])['training_statistics']
    assert {name.partition('.')[0] for name in held} == {
        'segmentor',
        'teacher',
    }
    saved, measured = (
        evaluate(data, tmp_path / f'tested_{i}', file, **fair, **TARGET)
        for i, file in enumerate(files)
    )
    assert saved == measured


def test_unknown_option_is_told(data, tmp_path, capfd, monkeypatch):
    config = CONFIGS / 'demo_minent_gta2cs.py'
    words = [config, '--work-dir', tmp_path, *roots(data)]
    words += ['--cfg-options', 'model.norm_statistics.image=4']
    code, printed = run_loaded(
        load_tool('train.py'), words, monkeypatch, capfd
    )
    assert code == 2
    assert "model.norm_statistics: there is no 'image'" in printed
