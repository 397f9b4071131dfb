"""What a user can get wrong in a training of the co-training procedure."""

import pytest
from cotraining_models import DEMAND, batch, build

from mmuda.utils.errors import ConfigError, DataError


def step(model, data):
    return list(model.training_step(model.data_preprocessor(data, True)))


@pytest.mark.parametrize(
    ('thresholds', 'message'),
    [
        (None, "needs model.thresholds: .* classes='random' does without"),
        ([0.5] * 4, 'holds 4 values, but the segmentor has 5 classes'),
        ([0.5] * 4 + ['high'], "'high' is no threshold from 0 to 1"),
        ('absent.json', r"thresholds='absent.json' is no manifest.json"),
    ],
)
def test_unusable_thresholds_are_refused(thresholds, message):
    with pytest.raises(ConfigError, match=message):
        build(class_mix=DEMAND, thresholds=thresholds)


@pytest.mark.parametrize(
    'options',
    [
        dict(class_mix=dict(classes='half')),
        dict(class_mix={}),
        dict(class_mix='demand'),
        dict(class_mix=dict(classes='random', number=3)),
    ],
)
def test_unknown_mixing_is_refused(options):
    with pytest.raises(ConfigError, match=r"one of \['demand', 'random'\]"):
        build(**options)


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (dict(sources=1, targets=2), r'1 of the source and 2 .*dataset\.samp'),
        (dict(targets=0), 'has no target domain'),
        (dict(target_size=(40, 48)), 'one size, not 48x32, 48x40'),
    ],
)
def test_unusable_batches_are_refused(data, message):
    model = build(class_mix=dict(classes='random'))
    with pytest.raises(ConfigError, match=message):
        step(model, batch(**data))


def test_two_targets_are_refused():
    data = batch()
    for value in data.values():
        value['idd'] = value['target']
    with pytest.raises(ConfigError, match=r"has \['target', 'idd'\]"):
        step(build(), data)


def test_missing_pseudo_label_is_named():
    data = batch()
    del data['data_samples']['target'][1].pseudo_sem_seg
    with pytest.raises(DataError, match=r"image\.png .*LoadPseudoLabels'"):
        step(build(), data)
