"""Metrics decide what is kept of predictions."""

import pytest
from mmengine.evaluator import BaseMetric
from tiny_runs import runner

LEAN = dict(type='LeanPredictionHook')
ALL = [
    dict(type='DomainIoUMetric'),
    dict(type='EntropyMetric'),
    dict(type='ConfusionMatrixMetric'),
]


class LooksAtLogits(BaseMetric):
    """A metric of a user."""

    def process(self, data_batch, data_samples):
        shapes = [
            sample['seg_logits']['data'].shape for sample in data_samples
        ]
        self.results.extend(shapes)

    def compute_metrics(self, results):
        return dict(classes=results[0][0])


def validate(folder, metrics, strip_values=None):
    run = runner(folder, hooks=[LEAN], val_interval=100)
    run._val_evaluator = metrics
    run.model.segmentor.strip_values = strip_values
    return run.val(), run.model.segmentor


@pytest.mark.parametrize('count', [1, 2, 3])
def test_metrics_of_strips_are_those_of_whole_images(tmp_path, count):
    strips, _ = validate(tmp_path / 'strips', ALL[:count], strip_values=1)
    whole, _ = validate(tmp_path / 'whole', [*ALL[:count], LooksAtLogits()])
    assert whole.pop('classes') == 5
    assert strips == pytest.approx(whole, rel=1e-6, nan_ok=True)


def test_other_metrics_see_logits(tmp_path):
    metrics = [ALL[0], LooksAtLogits()]
    found, _ = validate(tmp_path, metrics, strip_values=1)
    assert found['classes'] == 5


def test_logits_are_there_again_afterwards(tmp_path):
    _, segmentor = validate(tmp_path, ALL)
    assert segmentor.outputs == {'logits'}
