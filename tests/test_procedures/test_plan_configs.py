"""The configs that the stages of the plan run with."""

import pytest
from cotraining_configs import (
    ROOT,
    find,
    make_plan,
    option,
    procedure_config,
)

from mmuda.procedures.cotraining_cycles import CoTraining
from mmuda.procedures.cotraining_options import CoTrainingOptions


@pytest.fixture(scope='module')
def steps():
    return make_plan()


def test_source_keeps_its_colours_if_asked():
    steps = make_plan(translate=False)
    cfg = find(steps, 'baseline/train').config()
    assert cfg.train_dataloader.dataset.source.data_prefix.img_path == 'images'


def test_training_reads_translated_images(steps):
    cfg = find(steps, 'self_training/cycle_0/train').config()
    folder = cfg.train_dataloader.dataset.source.data_prefix.img_path
    assert folder == str((ROOT / 'translation/source_0').absolute())


def test_listed_source_reads_translated_images(tmp_path):
    """Path lists have no ``data_prefix`` of their own."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images.txt').write_text('images/a.png\n')
    cfg = procedure_config()
    cfg.train_dataloader.dataset.source = dict(
        type='PathListDataset',
        image_list='images.txt',
        data_root=str(tmp_path),
    )
    options = CoTrainingOptions.from_config(cfg)
    steps = CoTraining(options, cfg, cfg, cfg, ROOT).steps()
    trained = find(steps, 'baseline/train').config()
    prefix = trained.train_dataloader.dataset.source.data_prefix
    assert prefix.img_path == str((ROOT / 'translation/source_0').absolute())
    translate = find(steps, 'translation/source_0')
    assert option(translate, '--source-root') == str(tmp_path / 'images')


def test_each_training_has_its_own_config():
    cfgs = [procedure_config() for _ in range(3)]
    for number, cfg in enumerate(cfgs):
        cfg.train_cfg.max_iters = number
    options = CoTrainingOptions.from_config(cfgs[1])
    steps = CoTraining(options, *cfgs, ROOT).steps()
    names = ('baseline', 'self_training/cycle_0', 'final')
    iterations = [
        find(steps, f'{name}/train').config().train_cfg.max_iters
        for name in names
    ]
    assert iterations == [0, 1, 2]


def test_changes_are_for_their_cycles_only():
    changes = {'model.weight': 3}
    steps = make_plan(collaboration=dict(cycles=1, changes=changes))
    names = ('self_training/cycle_0', 'collaboration/cycle_0/a')
    values = [
        find(steps, f'{name}/train').config().model.get('weight')
        for name in names
    ]
    assert values == [None, 3]


def test_changes_of_the_iterations_change_the_result():
    changes = {'train_cfg.max_iters': 3}
    steps = make_plan(collaboration=dict(cycles=1, changes=changes))
    stage = find(steps, 'collaboration/cycle_0/a/train')
    assert (stage.result.name, stage.work) == ('iter_3.pth', 3)


def test_scores_are_kept_for_merging_only(steps):
    kept = {
        stage.name
        for step in steps
        for stage in step
        if stage.name.startswith('collaboration')
        and 'label' in stage.name
        and stage.config().pseudo_labels.keep_scores
    }
    assert kept == {
        'collaboration/cycle_1/a/label',
        'collaboration/cycle_1/b/label',
    }


def test_training_sees_selected_images_only(steps):
    cfg = find(steps, 'self_training/cycle_0/train').config()
    keys = ROOT / 'self_training/cycle_0/selected/keys.txt'
    assert cfg.train_dataloader.dataset.target.ann_file == str(keys.absolute())


def test_hard_classes_are_those_of_the_model_that_is_trained(steps):
    cfg = find(steps, 'collaboration/cycle_0/a/train').config()
    own = ROOT / 'collaboration/cycle_0/a/labels/manifest.json'
    assert cfg.model.thresholds == str(own.absolute())


def test_portion_is_that_of_the_cycle():
    options = dict(cycles=3, portion=0.5, portion_step=0.1)
    steps = make_plan(self_training=options)
    cfg = find(steps, 'self_training/cycle_2/label').config()
    assert cfg.pseudo_labels.rule.portion == 0.7
