"""Validation without labels in runs."""

import pytest
from mmengine.logging import MMLogger
from tiny_runs import runner

from mmuda.evaluation import LabelFreeMetric


def validate(folder, *metrics, hooks=('LeanPredictionHook',)):
    run = runner(folder, hooks=hooks, val_interval=100)
    run._val_evaluator = list(metrics)
    return run.val(), run


def test_in_a_run(tmp_path):
    own = dict(type='LabelFreeMetric', second_view_every=1)
    others = dict(type='DomainIoUMetric'), dict(type='EntropyMetric')
    found, run = validate(tmp_path / 'with', *others, own)
    alone, _ = validate(tmp_path / 'without', *others)
    # The others see what they would see without it.
    assert alone == pytest.approx(
        {key: found[key] for key in alone}, nan_ok=True
    )
    assert 0 < found['label_free/consistency'] <= 100
    assert 1 / 5 < found['label_free/BNM_r'] <= 1
    state = run.model.segmentor
    assert state.outputs == {'logits'}
    (used,) = [
        m for m in run.val_evaluator.metrics if isinstance(m, LabelFreeMetric)
    ]
    assert used._model is None


def test_no_image_that_is_seen_twice_is_told(tmp_path, caplog):
    run = runner(tmp_path, hooks=['LeanPredictionHook'], val_interval=100)
    own = dict(type='LabelFreeMetric', second_view_every=10**9)
    run._val_evaluator = [own]
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    found = run.val()
    logger.removeHandler(caplog.handler)
    assert 'label_free/consistency' not in found
    lines = [record.message for record in caplog.records]
    assert (
        'no image is seen twice, and there is no consistency: '
        'LabelFreeMetric(second_view_every=1) takes all'
    ) in lines


def test_without_second_views(tmp_path):
    own = dict(type='LabelFreeMetric', second_view_every=0)
    found, _ = validate(tmp_path, own)
    assert 'label_free/consistency' not in found


def test_the_best_is_saved_by_it(tmp_path):
    run = runner(
        tmp_path,
        iterations=2,
        hooks=['LeanPredictionHook'],
        checkpoint=dict(
            interval=1, save_best='label_free/BNM_r', rule='greater'
        ),
        val_interval=1,
    )
    run._val_evaluator = dict(type='LabelFreeMetric')
    run.train()
    assert len(list(tmp_path.glob('best_label_free_BNM_r_iter_*.pth'))) == 1
