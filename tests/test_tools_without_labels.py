"""Targets that have no labels at all: trained on, predicted, not judged."""

import re
import shutil

import demo_data
import pytest
from failing_tools import CONFIG, before_training, error_of
from several_target_tools import LABELS, call, write_config, write_data

from mmuda.datasets.transforms.image_loading import LoadLabels
from mmuda.engine.unlabelled import predicting_only

VAL_LABELS = 'Cityscapes/gtFine/val'
VAL_IMAGES = 'Cityscapes/leftImg8bit/val'
BEST = 'default_hooks.checkpoint.save_best'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The demo's data without the target's labels."""
    folder = demo_data.write(tmp_path_factory.mktemp('data'), 2)
    shutil.rmtree(folder / VAL_LABELS)
    return folder


@pytest.fixture
def copy(data, tmp_path):
    return shutil.copytree(data, tmp_path / 'data')


def log_of(folder):
    return sorted(folder.glob('*/*.log'))[-1].read_text()


def warnings_in(log):
    return re.findall(r'WARNING - (.*)', log)


def train(folder, data, **options):
    options = demo_data.options(data, max_iters=2) | options
    call('train.py', [CONFIG, '--work-dir', folder], options)
    return log_of(folder)


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    return train(folder, data), folder


def test_training_goes_on_without_labels(trained):
    log, folder = trained
    assert (folder / 'iter_2.pth').is_file()
    assert 'target.decode.loss_adversarial' in log


def test_it_is_said_once_that_nothing_is_evaluated(trained, data):
    said = warnings_in(trained[0])
    reason = f"there are no labels in '{data / VAL_LABELS}'"
    message = f'Nothing is evaluated during training: {reason}'
    assert said.count(message) == 1
    assert said[-1] == 'Nothing was evaluated'
    assert 'mIoU' not in trained[0].partition('Nothing is evaluated')[2]


@pytest.mark.parametrize('key', ['val_dataloader', 'val_evaluator', 'val_cfg'])
def test_validation_that_is_switched_off(data, tmp_path, key):
    said = warnings_in(train_without(tmp_path, data, {key: None}))
    assert (
        f'Nothing is evaluated during training: the config sets no {key}'
        in said
    )


@pytest.mark.parametrize('tested', [False, True])
def test_a_test_is_proposed_where_there_is_one(data, tmp_path, tested):
    events = ['val'] if tested else ['val', 'test']
    parts = ('dataloader', 'evaluator', 'cfg')
    removed = [f'{event}_{part}' for event in events for part in parts]
    train_without(tmp_path, data, dict.fromkeys(removed))
    lines = log_of(tmp_path).splitlines()[-3:]
    proposed = [line.partition(':')[0] for line in lines]
    assert ('Test' in proposed) == tested
    assert proposed[-1] == 'Continue'


def train_without(folder, data, removed):
    """Train with keys that are None, which hide those below them."""
    options = {
        name: value
        for name, value in demo_data.options(data, max_iters=2).items()
        if name.partition('.')[0] not in removed
    }
    call('train.py', [CONFIG, '--work-dir', folder], options | removed)
    return log_of(folder)


@pytest.fixture
def failing(tmp_path, monkeypatch, capfd):
    def run(data, **changes):
        options = demo_data.options(data, max_iters=2) | changes
        words = [CONFIG, '--work-dir', tmp_path / 'run']
        result = error_of('train.py', words, options, monkeypatch, capfd)
        return before_training(result)

    return run


def test_no_best_checkpoint_without_labels(failing, data):
    error = failing(data, **{BEST: 'cityscapes/mIoU'})
    assert f"{BEST}='cityscapes/mIoU' needs a validation" in error
    assert error.endswith('remove save_best')


def test_labels_that_are_elsewhere(failing, copy):
    demo_data.write(copy / 'again', 2)
    (copy / 'again' / VAL_LABELS).rename(copy / 'Cityscapes/gtFine/valid')
    error = failing(copy)
    assert f"there is '{copy}/Cityscapes/gtFine/valid/" in error
    assert 'val_dataloader=None' in error


def test_images_that_are_missing_too(failing, copy):
    shutil.rmtree(copy / VAL_IMAGES)
    error = failing(copy)
    assert f"'{copy / VAL_IMAGES}' does not exist" in error
    assert error.endswith(
        'or train without an evaluation, val_dataloader=None'
    )


def test_a_part_of_the_labels_is_an_error(failing, tmp_path):
    folder = demo_data.write(tmp_path / 'data', 2)
    next((folder / VAL_LABELS).rglob('*labelIds.png')).unlink()
    assert '1 file(s) are missing' in failing(folder)


# Testing


def predict(trained, data, folder, *words, **options):
    words = [CONFIG, trained[1] / 'iter_2.pth', '--work-dir', folder, *words]
    call('test.py', words, demo_data.options(data) | options)
    return log_of(folder)


def files_in(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob('*.png'))


def images_in(data):
    return [
        name.replace('_leftImg8bit', '')
        for name in files_in(data / VAL_IMAGES)
    ]


def test_predictions_need_no_labels(trained, data, tmp_path):
    words = ('--out', tmp_path / 'out', '--show-dir', tmp_path / 'drawn')
    log = predict(trained, data, tmp_path / 'work', *words)
    assert files_in(tmp_path / 'out') == images_in(data)
    assert files_in(tmp_path / 'drawn') == images_in(data)
    reason = f"there are no labels in '{data / VAL_LABELS}'"
    assert f'Nothing is compared with labels: {reason}' in warnings_in(log)


def test_several_sets_as_one_are_predicted(trained, data, tmp_path):
    config = tmp_path / 'config.py'
    root = f"'data_root': '{data / 'Cityscapes'}'"
    config.write_text(
        f"_base_ = '{CONFIG}'\n"
        f'part = {{**_base_.test_dataloader.dataset, {root}}}\n'
        "parts = dict(type='ConcatDataset', datasets=[part] * 2)\n"
        'test_dataloader = dict(dataset=dict(parts, _delete_=True))\n'
    )
    words = [config, trained[1] / 'iter_2.pth', '--out', tmp_path / 'out']
    options = {
        name: value
        for name, value in demo_data.options(data).items()
        if not name.startswith('test_dataloader.dataset')
    }
    call('test.py', [*words, '--work-dir', tmp_path / 'work'], options)
    names = files_in(tmp_path / 'out')
    assert names == images_in(data)
    said = warnings_in(log_of(tmp_path / 'work'))
    assert any('Nothing is compared with labels' in line for line in said)


def test_metrics_that_need_no_labels_are_measured(trained, data, tmp_path):
    log = predict(trained, data, tmp_path)
    results = log.rpartition('Iter(test)')[2]
    assert re.search(r'cityscapes/entropy: 0\.\d+', results)
    assert 'mIoU' not in results


def test_an_export_for_a_server(trained, data, tmp_path, monkeypatch, capfd):
    """Once: what an earlier run has left would be taken for this one's."""
    out = tmp_path / 'out'
    words = [CONFIG, trained[1] / 'iter_2.pth', '--work-dir', tmp_path]
    words += ['--export', out, '--format', 'cityscapes']
    options = demo_data.options(data)
    call('test.py', words, options)
    names = [path.name for path in (data / VAL_IMAGES).rglob('*.png')]
    ends = ('_leftImg8bit', '_pred_labelIds')
    assert files_in(out) == sorted(name.replace(*ends) for name in names)
    error, _ = error_of('test.py', words, options, monkeypatch, capfd)
    assert f'--export {out}: it holds predictions of an earlier run' in error


@pytest.mark.parametrize('given', [['--export', 'x'], ['--format', 'idd']])
def test_half_of_an_export(given, trained, data, monkeypatch, capfd):
    words = [CONFIG, trained[1] / 'iter_2.pth', *given]
    options = demo_data.options(data)
    error, _ = error_of('test.py', words, options, monkeypatch, capfd)
    assert '--export DIR and --format NAME belong together' in error


def test_nothing_to_do_is_an_error(
    trained, data, tmp_path, monkeypatch, capfd
):
    config = tmp_path / 'iou.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\ntest_evaluator = "
        "[dict(type='DomainIoUMetric', prefix='cityscapes')]\n"
    )
    words = [config, trained[1] / 'iter_2.pth', '--work-dir', tmp_path]
    options = demo_data.options(data)
    error, _ = error_of('test.py', words, options, monkeypatch, capfd)
    assert f"there are no labels in '{data / VAL_LABELS}'" in error
    assert '--out' in error


def test_one_of_several_targets_is_predicted_without_labels(
    tmp_path_factory, tmp_path
):
    data = write_data(tmp_path_factory.mktemp('several'))
    shutil.rmtree(data / LABELS['oslo'])
    config = write_config(tmp_path, data)
    call('train.py', [config, '--work-dir', tmp_path / 'run'])
    words = [config, tmp_path / 'run/iter_2.pth', '--out', tmp_path / 'out']
    call('test.py', [*words, '--work-dir', tmp_path / 'test'])
    names = files_in(tmp_path / 'out')
    assert [name.partition('/')[0] for name in names] == [
        'oslo',
        *['rome'] * 2,
    ]
    log = log_of(tmp_path / 'test')
    assert len(re.findall(r'\| oslo +\| not evaluated', log)) == 1


def test_no_target_has_labels(tmp_path):
    data = write_data(tmp_path / 'data')
    for folder in LABELS.values():
        shutil.rmtree(data / folder)
    config = write_config(tmp_path, data)
    call('train.py', [config, '--work-dir', tmp_path / 'run'], {BEST: None})
    said = warnings_in(log_of(tmp_path / 'run'))
    assert said[-1] == 'Nothing was evaluated'
    words = [config, tmp_path / 'run/iter_2.pth', '--out', tmp_path / 'out']
    call('test.py', [*words, '--work-dir', tmp_path / 'test'])
    assert len(files_in(tmp_path / 'out')) == 3


@pytest.mark.parametrize(
    'kind', ['LoadLabels', 'mmuda.LoadLabels', LoadLabels]
)
def test_what_loads_labels_is_taken_out_however_it_is_named(kind):
    pack = dict(type='PackDomainInputs')
    nested = dict(type='Compose', transforms=[dict(type=kind), pack])
    dataset = dict(pipeline=[dict(type=kind), nested])
    loader, _ = predicting_only(dict(dataset=dataset), None)
    left = [dict(nested, transforms=[pack])]
    assert loader['dataset']['pipeline'] == left
