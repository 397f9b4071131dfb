"""The metric: each image once, at the resolution of the logits."""

import gloo
import pytest
import torch
from label_free_cases import CLASSES, random_logits
from mmengine.dist import get_rank, get_world_size

from mmuda.evaluation import LabelFreeMetric
from mmuda.evaluation.label_free_scores import label_free_scores
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.models.segmentors.strips import upsampled
from mmuda.utils.errors import ConfigError, DataError

IMAGES = 5


def metric(**options):
    found = LabelFreeMetric(**options)
    found.dataset_meta = dict(classes=tuple('abcd'))
    return found


def samples(coarse=True):
    """Predictions of some images at 20 x 28 pixels, from 5 x 7."""
    for logits in random_logits(IMAGES).split(1):
        strips = upsampled(logits, (20, 28), False)
        if coarse:
            yield dict(strips=strips)
        else:
            yield dict(seg_logits=dict(data=strips.whole()[0]))


def of_images(chosen=range(IMAGES), **options):
    found, every = metric(**options), list(samples())
    for index in chosen:
        found.process({}, [every[index]])
    return found.evaluate(IMAGES)


def test_scores_are_those_of_the_small_logits():
    state = LabelFreeState(CLASSES)
    state.update(random_logits(IMAGES))
    found = of_images(class_ratios=[4, 3, 2, 1])
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    expected = label_free_scores(state, prior)
    assert found == {f'label_free/{k}': v for k, v in expected.items()}


def test_logits_of_the_size_of_the_image():
    found, state = metric(), LabelFreeState(CLASSES)
    for sample in samples(coarse=False):
        found.process({}, [sample])
        state.update(sample['seg_logits']['data'][None])
    scores = found.evaluate(IMAGES)
    assert scores['label_free/BNM'] == pytest.approx(
        label_free_scores(state)['BNM'], rel=1e-12
    )


def test_evaluated_anew():
    found, expected = metric(), of_images()
    for _ in range(2):
        for sample in samples():
            found.process({}, [sample])
        assert found.evaluate(IMAGES) == expected


def of_process():
    """As mmengine's sampler does, with the first image at the end again."""
    indices = [*range(IMAGES), 0][get_rank() :: get_world_size()]
    return of_images(indices if get_world_size() > 1 else range(IMAGES))


def test_twins_of_processes_count_once(tmp_path):
    expected = pytest.approx(of_process(), rel=1e-9)
    for found in gloo.run(of_process, tmp_path):
        assert found == expected


@pytest.mark.parametrize(
    'sample', [{}, dict(seg_logits=dict(data=torch.zeros(1, 2, 2)))]
)
def test_no_logits(sample):
    with pytest.raises(ConfigError, match='LeanPredictionHook'):
        metric().process({}, [sample])


@pytest.mark.parametrize('ratios', [[], [0, 0, 0, 0], [1, -1, 1, 1]])
def test_wrong_ratios(ratios):
    with pytest.raises(ConfigError, match='evaluator.class_ratios'):
        LabelFreeMetric(ratios)


def test_ratios_of_other_classes():
    with pytest.raises(ConfigError, match='has 3 values; .* 4 classes'):
        metric(class_ratios=[1, 1, 1])


def test_no_file_of_ratios(tmp_path):
    with pytest.raises(DataError, match='class_statistics.py CONFIG --ratios'):
        LabelFreeMetric(str(tmp_path / 'ratios.json'))
