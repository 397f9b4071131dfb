from pathlib import Path

import pytest
from cotraining_configs import ROOT, find, make_plan, option


@pytest.fixture(scope='module')
def steps():
    return make_plan()


def test_stages_come_in_this_order(steps):
    groups = dict.fromkeys(
        s.name.split('/')[0] for step in steps for s in step
    )
    assert list(groups) == [
        'translation',
        'baseline',
        'self_training',
        'collaboration',
        'final',
    ]


def test_names_are_unique(steps):
    names = [stage.name for step in steps for stage in step]
    assert len(set(names)) == len(names)


def test_results_are_unique(steps):
    results = [stage.result for step in steps for stage in step]
    assert len(set(results)) == len(results)


def test_every_input_is_made_before(steps):
    """Files below the work dir that a stage uses are results before it."""
    made, missing = set(), []
    for step in steps:
        for stage in step:
            for value in stage.uses.values():
                files = value if isinstance(value, list) else [value]
                missing += [
                    file
                    for file in files
                    if isinstance(file, Path)
                    and file.parent not in made
                    and file.parent != ROOT / 'translation'
                ]
        made |= {stage.folder for stage in step}
        # the two parts of a merge are one stage
        made |= {s.folder.with_name('a') for s in step if 'merge' in s.name}
    assert missing == []


def test_first_cycle_labels_with_the_baseline(steps):
    stage = find(steps, 'self_training/cycle_0/label')
    assert stage.uses['weights'] == [ROOT / 'baseline/training/iter_8.pth']


def test_next_cycle_labels_with_the_model_before(steps):
    stage = find(steps, 'self_training/cycle_1/label')
    before = find(steps, 'self_training/cycle_0/train')
    assert stage.uses['weights'] == [before.result]


def test_each_training_restarts_from_the_baseline(steps):
    stage = find(steps, 'self_training/cycle_2/train')
    assert stage.uses['weights'] == ROOT / 'baseline/training/iter_8.pth'


def test_training_goes_on_without_restart():
    steps = make_plan(self_training=dict(cycles=3, restart=False))
    stage = find(steps, 'self_training/cycle_2/train')
    before = find(steps, 'self_training/cycle_1/train')
    assert stage.uses['weights'] == before.result


def test_seed_grows_with_the_cycle(steps):
    stage = find(steps, 'self_training/cycle_2/train')
    assert stage.uses['seed'] == 102


def test_images_accumulate(steps):
    stage = find(steps, 'self_training/cycle_2/select')
    before = find(steps, 'self_training/cycle_1/update')
    assert option(stage, '--previous') == str(before.folder)


def test_earlier_images_are_noted(steps):
    stage = find(steps, 'self_training/cycle_2/select')
    before = find(steps, 'self_training/cycle_1/update')
    assert stage.uses['previous'] == before.result


def test_new_labels_are_taken_by_the_same_rule():
    steps = make_plan(
        self_training=dict(
            cycles=2, relabel=1, order='rejected', accumulation='all'
        )
    )
    for name in ('select', 'update'):
        stage = find(steps, f'self_training/cycle_0/{name}')
        rule = option(stage, '--better'), option(stage, '--mode')
        assert rule == ('rejected', 'all'), name


def test_thresholds_of_the_last_labels_are_noted(steps):
    labels = [find(steps, f'collaboration/cycle_1/{m}/label') for m in 'ab']
    used = find(steps, 'final/label').uses['thresholds']
    assert used == [label.result for label in labels]


def test_last_cycle_is_not_labelled_anew(steps):
    names = [stage.name for step in steps for stage in step]
    assert 'self_training/cycle_2/relabel' not in names


@pytest.mark.parametrize(('name', 'cycle'), [('a', 0), ('b', 2)])
def test_two_models_of_self_training_go_on(steps, name, cycle):
    stage = find(steps, f'collaboration/cycle_0/{name}/label')
    model = find(steps, f'self_training/cycle_{cycle}/train')
    assert stage.uses['weights'] == [model.result]


def test_models_are_trained_side_by_side(steps):
    together = [
        sorted(stage.name.split('/')[2] for stage in step)
        for step in steps
        if step[0].name.startswith('collaboration')
        and step[0].name.endswith(('train', 'label', 'select'))
    ]
    assert together == [['a', 'b']] * len(together)


def test_receiver_gets_the_labels_of_the_other(steps):
    stage = find(steps, 'collaboration/cycle_0/a/select')
    giver = find(steps, 'collaboration/cycle_0/b/label')
    assert stage.arguments[:2] == ('exchange', str(giver.folder))


def test_labels_are_merged_from_the_second_cycle_on(steps):
    names = [stage.name for step in steps for stage in step]
    merges = [name for name in names if name.endswith('merge')]
    assert merges == ['collaboration/cycle_1/merge']


def test_exchange_takes_merged_labels(steps):
    stage = find(steps, 'collaboration/cycle_1/b/select')
    merged = str(ROOT / 'collaboration/cycle_1/merged/a')
    assert stage.arguments[:2] == ('exchange', merged)


def test_last_labels_are_those_of_both_models(steps):
    stage = find(steps, 'final/label')
    models = [
        find(steps, f'collaboration/cycle_1/{name}/train').result
        for name in 'ab'
    ]
    assert stage.uses['weights'] == models


def test_last_thresholds_can_be_those_of_the_last_models():
    steps = make_plan(final_thresholds='anew')
    weights = [
        find(steps, f'final/{name}/label').uses['weights'] for name in 'ab'
    ]
    models = [
        [find(steps, f'collaboration/cycle_1/{name}/train').result]
        for name in 'ab'
    ]
    assert weights == models


def test_final_training_starts_from_the_baseline(steps):
    stage = find(steps, 'final/train')
    assert stage.uses['weights'] == ROOT / 'baseline/training/iter_8.pth'


def test_given_baseline_is_not_trained():
    steps = make_plan(Path('other.pth'))
    names = [stage.name for step in steps for stage in step]
    assert 'baseline/train' not in names
    label = find(steps, 'self_training/cycle_0/label')
    assert label.uses['weights'] == [Path('other.pth')]
