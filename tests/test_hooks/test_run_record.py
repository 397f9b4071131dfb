"""A run continues as the run that it was, or not at all."""

import copy
import json
import uuid

import cotraining_models
import demo_data
import pytest
import torch
from failing_tools import CONFIG, before_training, error_of
from mmengine.config import Config
from mmengine.runner import Runner

from mmuda.hooks import MeanTeacherHook
from mmuda.hooks.run_record import (
    RECORD,
    changed_lengths,
    check_same_course,
    record_of,
    recorded_config,
)
from mmuda.registry import MODELS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError
from mmuda.utils.setup_env import register_all_modules

SHORT = {
    'param_scheduler.0.end': 2,
    'param_scheduler.1.begin': 2,
    'param_scheduler.1.end': 4,
}
LONG = SHORT | {'param_scheduler.1.end': 8}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=3)


def train(data, folder, max_iters, resume=None, **changes):
    """Run in this process; return what the last checkpoint holds."""
    register_all_modules()
    options = demo_data.options(data, max_iters, max_iters) | changes
    cfg = demo_data.config(data, folder, **options)
    cfg.experiment_name = uuid.uuid4().hex
    if resume is not None:
        cfg.resume, cfg.load_from = True, str(resume)
    Runner.from_cfg(cfg).train()
    return load_checkpoint_file(folder / f'iter_{max_iters}.pth')


@pytest.fixture(scope='module')
def short(data, tmp_path_factory):
    """Checkpoint of a training of three iterations."""
    folder = tmp_path_factory.mktemp('short')
    train(data, folder, 3, **SHORT)
    return folder / 'iter_3.pth'


def without_record(file, folder):
    """As a checkpoint of an earlier version."""
    content = load_checkpoint_file(file)
    del content['meta'][RECORD]
    torch.save(content, folder / 'old.pth')
    return folder / 'old.pth'


def rates(content):
    log = content['message_hub']['log_scalars']
    return [
        log[f'train/{player}.lr'].data[0].tolist()
        for player in ('segmentor', 'discriminator')
    ]


@pytest.mark.parametrize('recorded', [True, False])
def test_a_longer_run_goes_on_by_its_own_schedule(
    data, short, tmp_path, recorded
):
    file = short if recorded else without_record(short, tmp_path)
    longer = rates(train(data, tmp_path / 'on', 7, resume=file, **LONG))
    whole = rates(train(data, tmp_path / 'whole', 7, **LONG))
    before = rates(load_checkpoint_file(short))
    for on, once, first in zip(longer, whole, before, strict=True):
        assert on[:3] == first
        assert on[3:] == once[3:]
        assert min(on[3:]) > 0


def test_the_log_says_what_is_taken_over(data, short, tmp_path):
    train(data, tmp_path, 7, resume=short, **LONG)
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert 'Resumed with another length of the training: ' in text
    assert 'param_scheduler[1].end was 4, now 8' in text
    assert 'train_cfg.max_iters was 3, now 7' in text


CHANGES = {
    'optim_wrapper.segmentor.optimizer.lr': (0.02, 0.5),
    'optim_wrapper.segmentor.accumulative_counts': ('nothing', 2),
    'optim_wrapper.discriminator.optimizer.type': ("'Adam'", 'SGD'),
    'train_dataloader.batch_size': (2, 1),
    'param_scheduler[1].power': (0.9, 0.5),
    'model.adversarial_weights.decode': (0.001, 0.1),
    'model.warmup_iters': (1, 2),
}


@pytest.fixture
def resumed(data, short, tmp_path, monkeypatch, capfd):
    """Resume by train.py, which must end in one line."""

    def run(changes, file=short):
        options = demo_data.options(data, 3, 3) | SHORT | changes
        words = [CONFIG, '--work-dir', tmp_path / 'work', '--resume', file]
        found = error_of('train.py', words, options, monkeypatch, capfd)
        return before_training(found)

    return run


@pytest.mark.parametrize('key', CHANGES)
def test_another_configuration_is_refused(resumed, tmp_path, key):
    stored, new = CHANGES[key]
    error = resumed({key.replace('[', '.').replace(']', ''): new})
    assert f'{key} was {stored}, now {new!r}' in error
    assert 'start a new training with --load-from' in error
    # The config of the run is still there.
    assert not list((tmp_path / 'work').glob('*.py'))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'optim_wrapper.segmentor.optimizer.lr': 0.5},
            'optim_wrapper.segmentor.0.lr was 0.02, now 0.5',
        ),
        (
            {'optim_wrapper.segmentor.optimizer.momentum': 0.5},
            'optim_wrapper.segmentor.0.momentum was 0.9, now 0.5',
        ),
        (
            {'param_scheduler.1.power': 0.5},
            'param_scheduler.1.power was 0.9, now 0.5',
        ),
    ],
)
def test_states_of_an_earlier_version_are_compared(
    resumed, short, tmp_path, changes, message
):
    assert message in resumed(changes, without_record(short, tmp_path))


@pytest.mark.parametrize('part', ['optimizer', 'param_schedulers'])
@pytest.mark.parametrize('recorded', [True, False])
def test_states_that_are_none_are_refused(
    resumed, short, tmp_path, part, recorded
):
    content = load_checkpoint_file(short)
    if not recorded:
        del content['meta'][RECORD]
    for player in content[part]:
        content[part][player] = 3
    torch.save(content, tmp_path / 'junk.pth')
    error = resumed({}, tmp_path / 'junk.pth')
    assert 'states are not those of a training' in error


def test_a_number_of_iterations_that_is_none_is_refused(
    resumed, short, tmp_path
):
    content = load_checkpoint_file(short)
    content['meta']['iter'] = -2
    torch.save(content, tmp_path / 'junk.pth')
    error = resumed({}, tmp_path / 'junk.pth')
    assert 'states are not those of a training (ValueError' in error


@pytest.mark.parametrize('part', ['optimizer', 'message_hub', 'state_dict'])
@pytest.mark.parametrize('junk', [3, None, []])
def test_parts_that_are_none_are_refused(resumed, short, tmp_path, part, junk):
    content = load_checkpoint_file(short) | {part: junk}
    torch.save(content, tmp_path / 'junk.pth')
    error = resumed({}, tmp_path / 'junk.pth')
    assert f'junk.pth: its states are not those of a training ({part}' in error


def test_a_weight_that_is_no_tensor_is_refused(resumed, short, tmp_path):
    content = load_checkpoint_file(short)
    name = next(n for n in content['state_dict'] if n.endswith('weight'))
    content['state_dict'][name] = 3
    torch.save(content, tmp_path / 'junk.pth')
    assert f'another model; 1 tensors differ: {name};' in (
        resumed({}, tmp_path / 'junk.pth')
    )


def test_other_images_are_refused(resumed, tmp_path):
    other = demo_data.write(tmp_path / 'other', count=2)
    roots = {
        'train_dataloader.dataset.source.data_root': str(other / 'GTA5'),
    }
    assert "other images of 'source': 3 images then, 2 images now" in (
        resumed(roots)
    )


@pytest.mark.slow
def test_a_moved_folder_is_the_same_data(data, short, tmp_path):
    (tmp_path / 'moved').symlink_to(data)
    moved = tmp_path / 'moved'
    content = train(moved, tmp_path / 'on', 4, resume=short, **LONG)
    assert content['meta']['iter'] == 4


def test_a_schedule_that_ends_too_early_is_refused(
    data, tmp_path, monkeypatch, capfd
):
    options = demo_data.options(data, 6, 6) | SHORT
    words = [CONFIG, '--work-dir', tmp_path]
    found = error_of('train.py', words, options, monkeypatch, capfd)
    error = before_training(found)
    assert 'ends at 4, and the learning rate of segmentor is 0' in error
    assert 'from iteration 4 on' in error
    assert 'param_scheduler.1.end=7' in error


@pytest.mark.parametrize('end', [4, 5])
def test_schedules_of_the_length_of_the_training_are_fine(data, tmp_path, end):
    """At 4 the last iteration has rate 0, as in mmseg's own schedules."""
    changes = SHORT | {'param_scheduler.1.end': end}
    found = rates(train(data, tmp_path, 4, **changes))[0]
    assert (found[-1] == 0) == (end == 4)


def run(**changes):
    stored = dict(
        config={'train_cfg.max_iters': 4, 'optim_wrapper.lr': 0.1},
        processes=2,
        data={'source': dict(images=3, sha256='a')},
    )
    return copy.deepcopy(stored) | changes


def test_another_number_of_processes_is_refused():
    with pytest.raises(CheckpointError, match='by 2 process.* by 1, since'):
        check_same_course(run(), run(processes=1), 'a.pth')


@pytest.mark.parametrize(
    'data',
    [
        {},
        {'source': dict(images=3, sha256='b')},
        {'source': dict(images=3, sha256='a'), 'target': dict(images=1)},
    ],
)
def test_data_is_compared_by_its_keys(data):
    with pytest.raises(CheckpointError, match="other images of '"):
        check_same_course(run(), run(data=data), 'a.pth')


def test_what_is_the_same_is_not_told():
    assert check_same_course(run(), run(), 'a.pth') == []


@pytest.mark.parametrize(
    'key',
    [
        'train_dataloader.num_workers',
        'train_dataloader.dataset.image_cache.folder',
        'train_dataloader.timeout',
        'train_cfg.nonfinite_patience',
        'model.class_ratio_prior.ratio',
        'train_dataloader.dataset.source.data_root',
        'model.segmentor.backbone.init_cfg.checkpoint',
        'train_cfg.val_interval',
        'default_hooks.logger.interval',
        'val_dataloader.batch_size',
        'model.predict_on',
    ],
)
def test_what_does_not_change_the_course_is_free(key):
    cfgs = []
    for value in ('a', 'b'):
        cfg = Config(dict(train_cfg=dict(max_iters=3)))
        cfg.merge_from_dict({key: value})
        cfgs.append(recorded_config(cfg))
    assert cfgs[0] == cfgs[1]
    assert changed_lengths(*cfgs, 'a.pth') == []


@pytest.mark.parametrize('key', ['class_ratio_prior.ratio', 'thresholds'])
def test_numbers_are_compared_where_files_are_free(key):
    cfgs = []
    for value in (0.1, 0.2):
        cfg = Config(dict(model={}))
        cfg.merge_from_dict({f'model.{key}': [0.5, value]})
        cfgs.append(recorded_config(cfg))
    with pytest.raises(CheckpointError, match=r'\[1\] was 0\.1, now 0\.2'):
        changed_lengths(*cfgs, 'a.pth')


def test_numbers_in_files_are_compared_wherever_they_are(data, tmp_path):
    """Class ratios of a folder that was moved, and then of another set."""
    ratios = [1.0] * 17
    for folder, last in (('first', [1, 2]), ('moved', [1, 2]), ('a', [2, 1])):
        (tmp_path / f'{folder}.json').write_text(json.dumps(ratios + last))

    def go(folder, max_iters, resume=None):
        file = str(tmp_path / f'{folder}.json')
        prior = dict(type='ClassRatioPrior', ratio=file)
        changes = LONG | {'model.class_ratio_prior': prior}
        train(data, tmp_path / 'run', max_iters, resume, **changes)

    go('first', 1)
    go('moved', 2, tmp_path / 'run/iter_1.pth')
    with pytest.raises(
        CheckpointError,
        match=r'model\.class_ratio_prior\.ratio\[17\] was 0\.05.*, now 0\.1',
    ):
        go('a', 3, tmp_path / 'run/iter_2.pth')


def test_thresholds_in_a_file_are_numbers_of_it():
    config = cotraining_models.config(
        class_mix=dict(classes='demand'), thresholds=[0.1, 0.2, None, 0.4, 1]
    )
    register_all_modules()
    model = MODELS.build(config)
    assert model.numbers_of_files == {}
    model.init_weights()
    found = {'thresholds': [0.1, 0.2, 0.0, 0.4, 1.0]}
    assert model.numbers_of_files == found


def test_checkpoints_of_an_earlier_version_have_no_numbers():
    numbers = {'model.thresholds[0]': 0.5}
    assert check_same_course(run(), run(numbers=numbers), 'a.pth') == []


@pytest.mark.parametrize(
    ('hook', 'kind'),
    [
        ('MeanTeacherHook', 'MeanTeacherHook'),
        (MeanTeacherHook, 'MeanTeacherHook'),
        (
            'mmuda.CollaborativeConsistencyHook',
            'CollaborativeConsistencyHook',
        ),
    ],
)
def test_hooks_that_train_are_compared(hook, kind):
    cfgs = [
        recorded_config(Config(dict(custom_hooks=[dict(type=hook, m=value)])))
        for value in (1, 2)
    ]
    with pytest.raises(
        CheckpointError, match=f'custom_hooks.{kind}.m was 1, now 2'
    ):
        changed_lengths(*cfgs, 'a.pth')


def test_hooks_of_two_teachers_are_compared():
    def record(momentum):
        own = dict(type='MeanTeacherHook', teacher='masked_teacher')
        hooks = [dict(type='MeanTeacherHook', momentum=momentum), own]
        return recorded_config(Config(dict(custom_hooks=hooks)))

    with pytest.raises(
        CheckpointError,
        match=r'custom_hooks\.MeanTeacherHook\.momentum was 0\.9, now 0\.99',
    ):
        changed_lengths(record(0.9), record(0.99), 'a.pth')
    assert changed_lengths(record(0.9), record(0.9), 'a.pth') == []


@pytest.mark.parametrize(
    'meta', [None, [], {}, {RECORD: 3}, {RECORD: {}}, {RECORD: {'config': {}}}]
)
def test_no_sound_record_is_none(meta):
    assert record_of({'meta': meta}) is None
