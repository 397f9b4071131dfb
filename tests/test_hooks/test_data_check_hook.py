import logging

import collaborative_models
import cv2
import numpy as np
import pytest
from tiny_runs import METAINFO, runner

from mmuda.datasets import DomainDataset
from mmuda.hooks import DataCheckHook
from mmuda.registry import DATASETS, METRICS
from mmuda.utils.errors import ConfigError, DataError


def folder(root, classes=METAINFO['classes'], labels=True, **options):
    """Write one image with a label of the class e; return the config."""
    for name, values in (('images/x.jpg', 90), ('labels/x.png', 4)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 12, 3), values, np.uint8)[..., 0])
    prefix = dict(img_path='images')
    if labels:
        prefix['seg_map_path'] = 'labels'
    return dict(
        type='FolderDataset',
        data_root=str(root),
        data_prefix=prefix,
        label_set=None,
        metainfo=dict(classes=classes),
        **options,
    )


def run_with(tmp_path, training=None, validation=None):
    """A runner on a source, a target and a validation folder."""
    options = training or {}
    domains = DomainDataset(
        source=folder(tmp_path / 'source', **options),
        target=folder(tmp_path / 'target', labels=False, **options),
    )
    return runner(
        tmp_path / 'run',
        dataset=domains,
        validation=DATASETS.build(
            folder(tmp_path / 'validation', **(validation or {}))
        ),
        val_interval=1,
    )


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def test_all_domains_are_described(tmp_path):
    run = run_with(tmp_path)
    handler = Lines()
    run.logger.setLevel(logging.INFO)
    run.logger.addHandler(handler)
    DataCheckHook().before_train(run)
    lines = [line for line in handler.lines if ' images, ' in line]
    assert [line.split(' images')[0] for line in lines] == [
        'training data, source: 1',
        'training data, target: 1',
        'validation data, FolderDataset: 1',
    ]


@pytest.mark.parametrize('part', ['source', 'target', 'validation'])
def test_damaged_image(tmp_path, part):
    run = run_with(tmp_path)
    (tmp_path / part / 'images/x.jpg').write_bytes(b'nothing')
    with pytest.raises(DataError, match=f'{part}/images/x.jpg'):
        DataCheckHook().before_train(run)


def test_training_classes_that_the_model_does_not_have(tmp_path):
    run = run_with(tmp_path, training=dict(classes=tuple('abcdef')))
    with pytest.raises(ConfigError, match='5 classes, but the training .* 6'):
        DataCheckHook().before_train(run)


def test_validation_classes_that_the_model_does_not_have(tmp_path):
    run = run_with(tmp_path, validation=dict(classes=tuple('abcdef')))
    with pytest.raises(ConfigError, match='5 classes, but the validation'):
        DataCheckHook().before_train(run)


def test_training_without_validation(tmp_path):
    run = run_with(tmp_path)
    run._val_loop = None
    DataCheckHook().before_train(run)


def test_labels_that_teach_nothing_stop_a_training_or_warn(tmp_path):
    run = run_with(tmp_path)
    label = str(tmp_path / 'source/labels/x.png')
    cv2.imwrite(label, np.full((8, 12), 255, np.uint8))
    with pytest.raises(DataError, match='is of a class.*set strict=False of'):
        DataCheckHook().before_train(run)
    handler = Lines()
    run.logger.addHandler(handler)
    DataCheckHook(strict=False).before_train(run)
    run.logger.removeHandler(handler)
    (warning,) = (line for line in handler.lines if 'is of a class' in line)
    assert warning.startswith('training data, source: no pixel of 1 of 1')


def test_classes_that_one_side_lacks_are_named(tmp_path):
    run = run_with(
        tmp_path,
        dict(label_map={4: 'e', 3: 'a'}),
        dict(label_map={4: 'b'}, test_mode=True),
    )
    handler = Lines()
    run.logger.setLevel(logging.INFO)
    run.logger.addHandler(handler)
    DataCheckHook().before_train(run)
    told = '\n'.join(handler.lines)
    assert 'no id of the labels of source stands for b, c, d: the' in told
    assert 'no id of the labels of validation data stands for a, c, d,' in told
    assert 'in none of 1 of source: b' in told
    assert 'by label_map e 100.00%, ignored 0.00%' in told
    assert 'their IoU there is nan, and mIoU the mean of the other 1' in told


def test_what_mmsegs_metric_makes_of_classes_without_labels(tmp_path):
    run = run_with(tmp_path, None, dict(label_map={4: 'b'}))
    metric = METRICS.build(dict(type='IoUMetric'))
    run.val_loop.evaluator.metrics = [metric]
    handler = Lines()
    run.logger.addHandler(handler)
    DataCheckHook().before_train(run)
    run.logger.removeHandler(handler)
    told = '\n'.join(handler.lines)
    assert 'IoU there is nan' not in told
    assert 'validation data stands for a, c, d, e: each has an IoU of' in told


def test_tests_of_images_whose_labels_are_learned_are_told(tmp_path):
    run = run_with(tmp_path)
    few = folder(tmp_path / 'few')
    parts = run.train_dataloader.dataset.domains
    parts['labelled_target'] = DATASETS.build(few)
    images = dict(few, data_prefix=dict(img_path='images'))
    absent = dict(few, data_root=str(tmp_path / 'later'))
    loaders = [dict(dataset=part) for part in (images, absent)]
    metrics = [dict(prefix=name) for name in ('rome', 'oslo')]
    run.cfg.test_dataloader, run.cfg.test_evaluator = loaders, metrics
    handler = Lines()
    run.logger.setLevel(logging.INFO)
    run.logger.addHandler(handler)
    DataCheckHook().before_train(run)
    run.logger.removeHandler(handler)
    (line,) = (line for line in handler.lines if 'are learned with' in line)
    assert line.startswith('1 images of test.rome are learned with their lab')
    (line,) = (line for line in handler.lines if 'not compared' in line)
    assert line.startswith("test.oslo data is not compared with 'labelled_t")
    assert 'later' in line


@pytest.mark.parametrize(
    'method', ['MTKT', 'MultiHeadAdvEnt', 'CCL', 'CoaST', 'MLCL']
)
def test_labels_of_a_target_that_a_method_does_not_learn(tmp_path, method):
    run = run_with(tmp_path)
    run.train_dataloader.dataset.domains['labelled_target'] = DATASETS.build(
        folder(tmp_path / 'few')
    )
    DataCheckHook().before_train(run)
    run.model = collaborative_models.build(method)
    with pytest.raises(ConfigError, match=f'{method} does not learn labels'):
        DataCheckHook().before_train(run)


@pytest.mark.parametrize('weight', [0, 0.5])
def test_a_weight_of_labels_that_are_not_there_is_told(tmp_path, weight):
    run = run_with(tmp_path)
    run.cfg.model = dict(type='CoaST', labelled_target_weight=weight)
    handler = Lines()
    run.logger.addHandler(handler)
    DataCheckHook().before_train(run)
    told = [line for line in handler.lines if 'has no effect' in line]
    assert len(told) == (weight > 0)
    for line in told:
        assert line.startswith('model.labelled_target_weight=0.5 has no eff')
