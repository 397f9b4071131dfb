from dataclasses import replace

import pytest
from cotraining_configs import ROOT, find, procedure_config
from mmengine.config import Config

from mmuda.procedures.costs import (
    Costs,
    batch_images,
    estimate,
    shown_size,
    validated_images,
    work_of,
)
from mmuda.procedures.cotraining_cycles import CoTraining
from mmuda.procedures.cotraining_options import CoTrainingOptions

COSTS = Costs(
    train=0.5,
    label=2.0,
    translate=0.1,
    checkpoint=700,
    pixels=1000,
    source_bytes=(5000,),
    targets={'target': 300},
    sources=(40,),
)


@pytest.fixture(scope='module')
def procedure():
    cfg = procedure_config(
        self_training=dict(cycles=3, sample=20, keep=6, relabel=2),
        collaboration=dict(cycles=2, sample=None, keep=6, relabel=1),
    )
    cfg.train_dataloader.batch_size = 1
    cfg.train_dataloader.dataset.samples = dict(source=4, target=3)
    cfg.model.class_mix = dict(classes='demand')
    options = CoTrainingOptions.from_config(cfg)
    return CoTraining(options, cfg, cfg, cfg, ROOT)


@pytest.fixture(scope='module')
def estimated(procedure):
    steps = procedure.steps()

    def estimated(name):
        stage = find(steps, name)
        return (
            work_of(stage, procedure, COSTS),
            *estimate(stage, procedure, COSTS),
        )

    return estimated


def loader(model, batch_size=1, **dataset):
    return Config(
        dict(
            model=model,
            train_dataloader=dict(batch_size=batch_size, dataset=dataset),
        )
    )


def test_mixed_images_are_counted_once():
    samples = dict(source=4, target=3)
    cfg = loader(
        dict(class_mix=dict(classes='random')),
        target={'a': 1},
        samples=samples,
    )
    assert batch_images(cfg) == 4


def test_images_that_are_not_mixed_are_added():
    samples = dict(source=1, target=3)
    assert batch_images(loader({}, 2, target={'a': 1}, samples=samples)) == 8


def test_training(estimated):
    """8 iterations of 4 images."""
    assert estimated('self_training/cycle_0/train') == (
        '8 iterations',
        16.0,
        700,
    )


def test_training_validates():
    """Twice three images."""
    cfg = Config(
        dict(
            train_cfg=dict(max_iters=8, val_interval=4),
            val_dataloader=dict(dataset={}),
        )
    )
    costs = replace(COSTS, validation=3)
    assert validated_images(cfg, 8, costs) == 6


def test_training_without_validation_labels():
    cfg = Config(dict(train_cfg=dict(max_iters=8), val_dataloader=None))
    assert validated_images(cfg, 8, replace(COSTS, validation=3)) == 0


def test_translation(estimated):
    """Target images are measured, too."""
    work, seconds, size = estimated('translation/source_0')
    assert (work, size) == ('40 images', 5000)
    assert seconds == pytest.approx(34.0)


def test_labelling_of_a_sample(estimated):
    assert estimated('self_training/cycle_0/label') == ('20 images', 40.0, 400)


def test_labelling_of_all_images(estimated):
    work, seconds, _ = estimated('collaboration/cycle_0/a/label')
    assert (work, seconds) == ('300 images', 600.0)


def test_scores_take_space_where_labels_are_merged(estimated):
    assert estimated('collaboration/cycle_1/a/label')[2] == 231_000


def test_accumulated_images_are_labelled_anew(estimated):
    """Six of each of two cycles."""
    assert estimated('self_training/cycle_1/relabel')[0] == '12 images'


def test_both_models_label_at_last(estimated):
    assert estimated('final/label')[1] == 1200.0


@pytest.mark.parametrize(
    ('size', 'text'),
    [(0, ''), (999, '999 B'), (12_300, '12 KB'), (2e12, '2.0 TB')],
)
def test_size_is_readable(size, text):
    assert shown_size(size) == text
