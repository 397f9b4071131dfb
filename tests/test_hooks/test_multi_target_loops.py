"""Validation and test on several targets."""

import logging
import math

import mmcv
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from tiny_models import sample
from tiny_runs import METAINFO, loader, runner
from torch.utils.data import Dataset

from mmuda.engine.multi_target_loops import mean_metrics
from mmuda.utils.errors import ConfigError


class Target(Dataset):
    """Random labelled samples that depend on a seed."""

    metainfo = METAINFO

    def __init__(self, seed, count):
        self.seed, self.count = seed, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(self.seed + index)
        image, data_sample = sample((33, 41), generator, labelled=True)
        return dict(inputs=image, data_samples=data_sample)


def evaluation(prefixes=('rome', 'oslo'), kind='val', **changes):
    """What a runner needs to evaluate two targets."""
    loaders = [
        loader(Target(10 * i, 2 + i), dict(type='DefaultSampler', shuffle=0))
        for i in range(2)
    ]
    metrics = [
        dict(type='DomainIoUMetric', prefix=prefix) for prefix in prefixes
    ]
    kinds = dict(val='MultiTargetValLoop', test='MultiTargetTestLoop')
    return {
        f'{kind}_dataloader': loaders,
        f'{kind}_evaluator': metrics,
        f'{kind}_cfg': dict(type=kinds[kind]),
    } | changes


def single(folder, index, prefix):
    """Metrics of one target by mmengine's own loop."""
    run = runner(
        folder,
        val_dataloader=loader(
            Target(10 * index, 2 + index),
            dict(type='DefaultSampler', shuffle=False),
        ),
        val_cfg={},
        val_evaluator=dict(type='DomainIoUMetric', prefix=prefix),
    )
    return run.val()


@pytest.fixture(scope='module')
def metrics(tmp_path_factory):
    folder = tmp_path_factory.mktemp('both')
    return runner(folder, **evaluation()).val()


def test_names_of_targets_and_classes_may_have_a_slash(tmp_path, caplog):
    run = runner(tmp_path, **evaluation(('it/rome', 'oslo')))
    classes = ('person/rider', *METAINFO['classes'][1:])
    for loop in run.val_loop.loops.values():
        loop.evaluator.dataset_meta = METAINFO | dict(classes=classes)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    run.val()
    logger.removeHandler(caplog.handler)
    lines = [record.message for record in caplog.records]
    (table,) = (line for line in lines if 'on all targets' in line)
    cells = [line.split('|')[1:-1] for line in table.splitlines()]
    rows = [[cell.strip() for cell in row] for row in cells if row]
    assert rows[0] == ['IoU', 'it/rome', 'oslo']
    assert [row[0] for row in rows[1:6]] == [*classes]
    assert rows[6] == ['target', 'mIoU', 'mAcc', 'aAcc']


@pytest.mark.parametrize(('index', 'prefix'), [(0, 'rome'), (1, 'oslo')])
def test_each_target_is_evaluated_as_on_its_own(
    metrics, tmp_path, index, prefix
):
    for name, value in single(tmp_path, index, prefix).items():
        assert metrics[name] == pytest.approx(value, nan_ok=True)


def test_mean_over_the_targets(metrics):
    expected = (metrics['rome/mIoU'] + metrics['oslo/mIoU']) / 2
    assert metrics['mean/mIoU'] == pytest.approx(expected)
    assert metrics['rome/mIoU'] != metrics['oslo/mIoU']


def test_test_loop_gives_the_metrics_of_validation(metrics, tmp_path):
    found = runner(tmp_path, **evaluation(kind='test')).test()
    assert found == pytest.approx(metrics, nan_ok=True)


def test_the_best_checkpoint_by_the_mean(tmp_path):
    options = dict(interval=10, save_best='mean/mIoU', rule='greater')
    run = runner(
        tmp_path,
        iterations=2,
        hooks=['GracefulStopHook'],
        checkpoint=options,
        **evaluation(),
    )
    run._train_loop['val_interval'] = 1
    run.train()
    assert len(list(tmp_path.glob('best_mean_mIoU_iter_*.pth'))) == 1


def test_one_evaluator_too_few_is_refused(tmp_path):
    options = evaluation()
    options['val_evaluator'] = options['val_evaluator'][:1]
    with pytest.raises(ConfigError, match='2 targets, val_evaluator 1'):
        runner(tmp_path, **options).val()


@pytest.mark.parametrize('prefixes', [('rome', 'rome'), (None, None)])
def test_targets_of_one_name_are_refused(tmp_path, prefixes):
    with pytest.raises(ConfigError, match='which target each is of'):
        runner(tmp_path, **evaluation(prefixes)).val_loop  # noqa: B018


def test_further_metrics_of_one_name_are_refused(tmp_path):
    options = evaluation()
    options['val_evaluator'] = [
        [metric, dict(type='EntropyMetric', prefix='both')]
        for metric in options['val_evaluator']
    ]
    with pytest.raises(ConfigError, match="'both/entropy' does not say"):
        runner(tmp_path, **options).val()


def test_own_heads_that_the_model_does_not_have(tmp_path):
    options = evaluation()
    options['val_cfg']['own_heads'] = True
    with pytest.raises(ConfigError, match='no heads of targets'):
        runner(tmp_path, **options).val_loop  # noqa: B018


def test_means_of_fewer_classes_are_no_part_of_the_mean(metrics, tmp_path):
    options = evaluation()
    options['val_evaluator'][1]['subsets'] = dict(mIoU_2=['a', 'c'])
    found = runner(tmp_path, **options).val()
    assert found['mean/mIoU'] == metrics['mean/mIoU']
    assert found['oslo/mIoU_2'] == pytest.approx(
        (metrics['oslo/IoU.a'] + metrics['oslo/IoU.c']) / 2, abs=0.01
    )


def test_targets_without_a_value_are_left_out_of_the_mean():
    values = {'a/mIoU': 40.0, 'b/mIoU': math.nan, 'c/mIoU': 60.0, 'a/x': 1.0}
    assert mean_metrics(values, ['mIoU', 'mAcc']) == {'mean/mIoU': 50.0}


# Labels that are not where they should be


def with_files(root, kind, there, configured):
    """Evaluation of a second target of files whose labels are elsewhere."""
    for folder, name in ((root / 'images', 'a.jpg'), (root / there, 'a.png')):
        folder.mkdir(parents=True)
        shape = (8, 8, 3) if name == 'a.jpg' else (8, 8)
        mmcv.imwrite(np.zeros(shape, np.uint8), str(folder / name))
    options = evaluation()
    options['val_dataloader'][1]['dataset'] = dict(
        type=kind,
        data_root=str(root),
        data_prefix=dict(img_path='images', seg_map_path=configured),
        label_set='cityscapes19',
    )
    return options


def warnings_of(folder, caplog, options):
    run = runner(folder, **options)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    assert list(run.val_loop.loops) == ['rome']
    logger.removeHandler(caplog.handler)
    records = [r for r in caplog.records if r.levelno == logging.WARNING]
    return [r.getMessage() for r in records if 'Target' in r.getMessage()]


def test_a_label_path_with_a_typo_is_seen(tmp_path, caplog):
    options = with_files(tmp_path, 'FolderDataset', 'labels', 'lables')
    assert warnings_of(tmp_path / 'run', caplog, options) == [
        f"Target 'oslo' is not evaluated: there are no labels in "
        f"'{tmp_path}/lables'; there is '{tmp_path}/labels/a.png': "
        'data_prefix.seg_map_path may be wrong'
    ]


def test_labels_of_vistas_in_another_version_are_an_error(tmp_path):
    options = with_files(
        tmp_path, 'MapillaryVistasDataset', 'v2.0/labels', 'labels'
    )
    with pytest.raises(ConfigError, match=r"to 'v2\.0/labels' with label_tab"):
        runner(tmp_path / 'run', **options).val_loop  # noqa: B018
