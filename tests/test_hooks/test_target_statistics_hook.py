"""Runs that predict by batch-norm statistics of the target."""

from pathlib import Path

import gloo
import pytest
import refreshed_runs
import torch
from mmengine.hooks import Hook
from tiny_models import sample, segmentor_config
from tiny_runs import METAINFO, equal, runner, weights
from torch.utils.data import Dataset

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
)
from mmuda.evaluation.target_statistics import TargetStatistics, spread
from mmuda.models import unwrap
from mmuda.models.norm_statistics import holds_target_statistics
from mmuda.pseudo_labels.labeler import weights_digest
from mmuda.pseudo_labels.rounds import round_name
from mmuda.registry import HOOKS, MODELS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import ConfigError

STATISTICS = ('running_mean', 'running_var')


class TinyTargets(Dataset):
    """Five unlabelled images of two sizes."""

    metainfo = METAINFO

    def __len__(self):
        return 5

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(50 + index)
        size = (33, 41) if index < 3 else (41, 33)
        image, data_sample = sample(size, generator, labelled=False)
        return dict(inputs=image, data_samples=data_sample)


@HOOKS.register_module()
class RecordValidationHook(Hook):
    """Keep the model as it is when it validates and after it."""

    priority = 'LOWEST'

    def before_val_epoch(self, runner):
        self.during = weights_of(runner)

    def after_val_epoch(self, runner, metrics=None):
        self.after = weights_of(runner)


def weights_of(run):
    return {k: v.clone() for k, v in unwrap(run.model).state_dict().items()}


def options(**changes):
    given = dict(
        mode='target',
        images=5,
        batch_size=2,
        num_workers=0,
        datasets=dict(target=TinyTargets()),
    )
    return given | changes


def trained(folder, statistics='mixed', iterations=3, **kwargs):
    model = dict(norm_statistics=statistics) | kwargs.pop('model', {})
    run = runner(
        folder,
        iterations,
        hooks=[
            'NormStatisticsSyncHook',
            'IterationSeedHook',
            'RecordValidationHook',
        ],
        checkpoint=dict(interval=2),
        val_interval=2,
        dropout=0.3,
        model=model,
        **kwargs,
    )
    run.train()
    return run


def measured(run, network='segmentor'):
    """Statistics of the target that a network of a run has."""
    how = TargetStatistics(
        **{k: v for k, v in options().items() if k != 'mode'}
    )
    how.prepare({})
    model = unwrap(run.model)
    found = how.measure(model, unwrap(getattr(model, network)))
    return {f'{network}.{name}': values for name, values in found.items()}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def run(folder):
    return trained(folder / 'target', options())


@pytest.fixture(scope='module')
def plain(folder):
    return trained(folder / 'mixed')


def test_training_is_the_same_with_the_hook_and_without(run, plain):
    assert equal(weights(run), weights(plain))


def test_checkpoint_has_measured_statistics(run, folder):
    saved = load_checkpoint_file(folder / 'target/iter_3.pth')
    expected = measured(run)
    assert len(expected) == 42  # two of 21 norms
    for name, values in expected.items():
        assert torch.equal(saved['state_dict'][name], values), name
    assert saved['meta']['norm_statistics'] == dict(of='target', images=5)


def test_checkpoint_keeps_those_of_the_training(run, folder):
    saved = load_checkpoint_file(folder / 'target/iter_3.pth')
    own = weights(run)
    kept = saved['training_statistics']
    assert kept.keys() == measured(run).keys()
    for name, values in kept.items():
        assert torch.equal(values, own[name]), name


def test_all_else_in_a_checkpoint_is_as_without_the_hook(run, plain, folder):
    own, other = (
        load_checkpoint_file(folder / name / 'iter_2.pth')['state_dict']
        for name in ('target', 'mixed')
    )
    for name, values in own.items():
        same = torch.equal(values, other[name])
        assert same != name.endswith(STATISTICS), name


def test_validation_has_measured_statistics_and_gives_them_back(run, folder):
    recorder = next(
        h for h in run.hooks if isinstance(h, RecordValidationHook)
    )
    own, during = weights(run), recorder.during
    expected = measured(run)
    for name, values in own.items():
        assert torch.equal(during[name], expected.get(name, values)), name
    assert equal(recorder.after, own)


def test_resumed_run_equals_one_that_never_stopped(run, folder):
    resumed = runner(
        folder / 'resumed',
        3,
        hooks=[
            'NormStatisticsSyncHook',
            'IterationSeedHook',
            'RecordValidationHook',
        ],
        checkpoint=dict(interval=2),
        val_interval=2,
        dropout=0.3,
        model=dict(norm_statistics=options()),
        resume=True,
        load_from=str(folder / 'target/iter_2.pth'),
    )
    resumed.train()
    assert equal(weights(resumed), weights(run))
    states = [
        load_checkpoint_file(folder / name / 'iter_3.pth')['state_dict']
        for name in ('resumed', 'target')
    ]
    assert equal(*states)


def test_teacher_that_predicts_has_its_own(folder):
    run = trained(
        folder / 'teacher',
        options(),
        model=dict(teacher=dict(momentum=0.5), predict_on='teacher'),
    )
    recorder = next(
        h for h in run.hooks if isinstance(h, RecordValidationHook)
    )
    state = load_checkpoint_file(folder / 'teacher/iter_3.pth')['state_dict']
    for network in ('segmentor', 'teacher'):
        for name, values in measured(run, network).items():
            assert torch.equal(state[name], values), name
            if network == 'teacher':
                assert torch.equal(recorder.during[name], values), name


def test_frozen_norms_are_left_alone_unless_asked(folder):
    model = MODELS.build(segmentor_config(norm_eval=True)).eval()
    model.data_preprocessor = MODELS.build(
        dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3)
    )
    given = {k: v for k, v in options().items() if k != 'mode'}
    alone, asked = (
        TargetStatistics(**given, frozen=frozen) for frozen in (False, True)
    )
    for how in (alone, asked):
        how.prepare({})
    assert alone.measure(model, model) == {}
    assert len(asked.measure(model, model)) == 42


def in_one_process_of_two(folder):
    run = trained(
        Path(folder, 'two'), options(), iterations=2, launcher='pytorch'
    )
    return {k.replace('module.', ''): v for k, v in weights(run).items()}


def test_two_processes_save_what_one_measures(folder):
    ranks = gloo.run(in_one_process_of_two, folder, str(folder))
    saved = load_checkpoint_file(folder / 'two/iter_2.pth')
    run = runner(folder / 'alone', 1, model=dict(norm_statistics='mixed'))
    state = dict(saved['state_dict']) | dict(saved['training_statistics'])
    run.model.load_state_dict(state)
    for name, values in measured(run).items():
        torch.testing.assert_close(
            saved['state_dict'][name], values, rtol=1e-5, atol=1e-6
        )
    for rank in ranks:
        for name, values in saved['training_statistics'].items():
            assert torch.equal(rank[name], values), name


def test_images_are_spread_evenly():
    assert spread(10, 4) == [0, 2, 5, 7]
    assert spread(3, 4) == [0, 1, 2]


def test_number_of_images_is_checked():
    with pytest.raises(ConfigError, match='norm_statistics.images'):
        TargetStatistics(images=0)


def test_training_without_target_images_is_refused(folder):
    with pytest.raises(ConfigError, match='has no target to measure'):
        trained(folder / 'none', options(datasets=None))


def test_labels_of_a_training_are_made_by_the_target(tmp_path):
    data = refreshed_runs.write_data(tmp_path / 'data')
    statistics = dict(
        images=4,
        num_workers=0,
        pipeline=refreshed_runs.LOAD + refreshed_runs.PACK,
    )
    cfg = refreshed_runs.config(
        data,
        tmp_path / 'run',
        iterations=4,
        model=dict(norm_statistics=dict(statistics)),
    )
    run = refreshed_runs.train(cfg)
    root = tmp_path / 'run/pseudo_labels/target'
    labelled = PseudoLabelManifest.read(root / round_name(2)).checkpoints[0]
    model = unwrap(run.model)
    # what was saved after the same iteration, for use
    saved = load_checkpoint_file(tmp_path / 'run/iter_2.pth')
    model.load_state_dict(saved['state_dict'])
    assert labelled['sha256'] == weights_digest(model.predictor)
    assert holds_target_statistics(saved)
