"""Pseudo-labels that are made anew while training goes on."""

import copy
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from refreshed_runs import config, log_of, train, write_data

from mmuda.models.players import unwrap
from mmuda.pseudo_labels.labeler import weights_digest
from mmuda.registry import HOOKS
from mmuda.utils.errors import CheckpointError, ConfigError, DataError


@HOOKS.register_module()
class RecordPseudoLabels(Hook):
    """Keeps the pseudo-label of each batch by iteration."""

    seen = None

    def before_train(self, runner):
        type(self).seen = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        sample = data_batch['data_samples']['target'][0]
        label = sample.pseudo_sem_seg.data[0].numpy().astype(np.uint8)
        self.seen[runner.iter] = (sample.key, label)


@HOOKS.register_module()
class StopAfterTwo(Hook):
    """Asks to stop, as ``GracefulStopHook`` does at a signal."""

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        runner.train_loop.stop_training = runner.iter == 1


RECORD = [dict(type='RecordPseudoLabels')]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def run(data, tmp_path_factory):
    """A finished run of six iterations, labelled after two and four."""
    work_dir = tmp_path_factory.mktemp('run')
    cfg = config(data, work_dir, custom_hooks=RECORD)
    cfg.pseudo_labels.ground_truth = 'labels'
    return work_dir, train(cfg), dict(RecordPseudoLabels.seen)


def read(work_dir, point, key):
    file = work_dir / f'pseudo_labels/target/iter_{point:08d}/{key}.png'
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)


def rounds(work_dir):
    folders = (work_dir / 'pseudo_labels/target').glob('iter_*')
    return sorted(int(folder.name[5:]) for folder in folders)


def test_labels_are_made_at_the_intervals_but_not_at_the_end(run):
    assert rounds(run[0]) == [2, 4]


def test_all_pixels_are_ignored_before_the_first_round(run):
    for iteration in (0, 1):
        assert (run[2][iteration][1] == 255).all()


@pytest.mark.parametrize('iteration', [2, 3, 4, 5])
def test_training_reads_the_labels_of_the_last_round(run, iteration):
    key, label = run[2][iteration]
    point = iteration - iteration % 2
    assert np.array_equal(label, read(run[0], point, key))


def test_labels_are_those_of_the_network_at_that_iteration(run):
    manifest = run[0] / 'pseudo_labels/target/iter_00000004/manifest.json'
    digest = json.loads(manifest.read_text())['checkpoints'][0]['sha256']
    state = torch.load(run[0] / 'iter_4.pth', weights_only=False)
    model = copy.deepcopy(unwrap(run[1].model))
    model.load_state_dict(state['state_dict'])
    assert weights_digest(model.predictor) == digest


def test_the_log_tells_what_changed(run):
    old = [read(run[0], 2, str(key)) for key in range(4)]
    new = [read(run[0], 4, str(key)) for key in range(4)]
    changed = 100 * np.mean(np.stack(old) != np.stack(new))
    assert changed > 0
    expected = f'changed since the last round: {changed:.1f} %'
    assert expected in log_of(run[0])


def test_the_log_has_precision(run):
    report = run[0] / 'pseudo_labels/target/iter_00000004/accuracy.json'
    overall = json.loads(report.read_text())['overall']
    scalars = next(run[0].glob('*/vis_data/scalars.json')).read_text()
    lines = [json.loads(line) for line in scalars.splitlines()]
    name = 'pseudo_labels/target/precision'
    assert [line[name] for line in lines if name in line][-1] == overall


def test_training_continues_in_training_mode(run):
    assert run[1].model.training
    assert run[1].iter == 6


@pytest.mark.parametrize('start', [1, 2, 3, 4, 5])
def test_a_continued_run_equals_the_uninterrupted_one(
    data, run, tmp_path, start
):
    cfg = config(data, tmp_path, custom_hooks=RECORD)
    # as left by a run that went on: labels of later rounds are there
    target = tmp_path / 'pseudo_labels'
    target.symlink_to(run[0] / 'pseudo_labels')
    runner = train(cfg, resume_from=run[0] / f'iter_{start}.pth')
    expected = unwrap(run[1].model).state_dict()
    for name, value in unwrap(runner.model).state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_a_run_is_not_continued_with_labels_of_another_rule(
    data, run, tmp_path
):
    """They would be those of later weights, and of another method."""
    cfg = config(data, tmp_path)
    cfg.pseudo_labels.rule.quantile = 0.9
    cfg.pseudo_labels.batch_size = 1
    (tmp_path / 'pseudo_labels').symlink_to(run[0] / 'pseudo_labels')
    with pytest.raises(
        CheckpointError,
        match=r'tion: pseudo_labels\.rule\.quantile was 0\.5, now 0\.9;',
    ):
        train(cfg, resume_from=run[0] / 'iter_3.pth')


def test_a_run_is_not_continued_with_labels_of_another_network(data, tmp_path):
    def cfg(predict_on, iterations):
        model = dict(teacher=True, predict_on=predict_on)
        hooks = [dict(type='MeanTeacherHook')]
        return config(
            data, tmp_path, iterations, model=model, custom_hooks=hooks
        )

    train(cfg('segmentor', 1))
    message = "model.predict_on was 'segmentor', now 'teacher'"
    with pytest.raises(CheckpointError, match=message):
        train(cfg('teacher', 3), resume_from=tmp_path / 'iter_1.pth')


@pytest.mark.parametrize('start', [2, 4])
def test_labels_that_are_missing_are_made_again(data, run, tmp_path, start):
    """As after a kill while labelling, before the labels were finished."""
    cfg = config(data, tmp_path)
    runner = train(cfg, resume_from=run[0] / f'iter_{start}.pth')
    expected = unwrap(run[1].model).state_dict()
    for name, value in unwrap(runner.model).state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_loader_processes_that_persist_read_new_labels(data, run, tmp_path):
    cfg = config(data, tmp_path, workers=2, custom_hooks=RECORD)
    train(cfg)
    for iteration, (key, label) in RecordPseudoLabels.seen.items():
        assert key == run[2][iteration][0]
        assert np.array_equal(label, run[2][iteration][1])


def test_a_fresh_run_ignores_labels_of_an_earlier_one(data, run, tmp_path):
    (tmp_path / 'pseudo_labels').symlink_to(run[0] / 'pseudo_labels')
    train(config(data, tmp_path, iterations=2, custom_hooks=RECORD))
    for iteration in (0, 1):
        assert (RecordPseudoLabels.seen[iteration][1] == 255).all()
    # what the other tests read
    name = run[0] / 'pseudo_labels/target/current'
    name.write_text('iter_00000004\n')


def test_rounds_of_another_rule_are_made_again(data, run, tmp_path):
    shutil.copytree(run[0] / 'pseudo_labels', tmp_path / 'pseudo_labels')
    cfg = config(data, tmp_path, iterations=3)
    cfg.pseudo_labels.rule = dict(type='ConfidenceQuantile')
    train(cfg)
    file = tmp_path / 'pseudo_labels/target/iter_00000002/manifest.json'
    assert json.loads(file.read_text())['rule'] == cfg.pseudo_labels.rule


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(ego_mask='none.png'), 'no file'),
        (dict(ground_truth='none'), "ground_truth='none' .None meas"),
        (
            dict(rule=dict(type='ClassBalancedPortion', portion=[0.5, 0.5])),
            '2 values for 10 classes',
        ),
    ],
)
def test_wrong_labelling_is_known_at_the_start(
    data, tmp_path, changes, message
):
    cfg = config(data, tmp_path)
    cfg.pseudo_labels = dict(cfg.pseudo_labels, **changes)
    with pytest.raises((ConfigError, DataError), match=message):
        train(cfg)
    assert not list(tmp_path.glob('iter_*.pth'))


def test_begin_zero_labels_with_the_first_network(data, tmp_path):
    hook = dict(begin=0, interval=-1)
    train(config(data, tmp_path, 3, hook=hook, custom_hooks=RECORD))
    assert rounds(tmp_path) == [0]
    for key, label in RecordPseudoLabels.seen.values():
        assert np.array_equal(label, read(tmp_path, 0, key))


def test_no_round_after_the_end(data, tmp_path):
    train(config(data, tmp_path, 5, hook=dict(begin=1, interval=1, end=2)))
    assert rounds(tmp_path) == [1, 2]


def test_the_teacher_labels_if_it_predicts(data, tmp_path):
    model = dict(teacher=True, predict_on='teacher')
    still = dict(momentum=1.0, warmup=False, buffers='ema')
    hooks = [dict(type='MeanTeacherHook', **still)]
    cfg = config(data, tmp_path, 5, model=model, custom_hooks=hooks)
    train(cfg)
    # a teacher that never moves labels the same in both rounds
    for key in range(4):
        assert np.array_equal(
            read(tmp_path, 2, str(key)), read(tmp_path, 4, str(key))
        )


def test_a_run_that_stops_does_not_label_first(data, tmp_path):
    train(config(data, tmp_path, custom_hooks=[dict(type='StopAfterTwo')]))
    assert rounds(tmp_path) == []


@pytest.mark.parametrize(
    'hook',
    [dict(begin=-1), dict(interval=0), dict(interval=-2)],
)
def test_impossible_intervals_are_refused(hook):
    options = dict(type='PseudoLabelRefreshHook', begin=0) | hook
    with pytest.raises(ConfigError, match='PseudoLabelRefreshHook'):
        HOOKS.build(options)


def test_a_pipeline_without_pseudo_labels_is_refused(data, tmp_path):
    cfg = config(data, tmp_path)
    del cfg.train_dataloader.dataset.target.pipeline[1]
    with pytest.raises(ConfigError, match='has no LoadPseudoLabels'):
        train(cfg)


def test_a_stock_loop_is_refused(data, tmp_path):
    cfg = config(data, tmp_path)
    cfg.train_cfg.type = 'IterBasedTrainLoop'
    with pytest.raises(ConfigError, match='UDATrainLoop'):
        train(cfg)
