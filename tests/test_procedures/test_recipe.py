"""The stages of a self-training."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmuda.procedures.self_training_rounds import (
    Recipe,
    SelfTrainingOptions,
    last_validation,
    without_option,
)
from mmuda.utils.errors import ConfigError


def recipe(folder, **kwargs):
    options = dict(
        config=Path('esl.py'),
        initial=Path('advent.py'),
        work_dir=folder,
        rounds=2,
        iterations=(30, 40),
        options=['--data-root', 'target=t'],
        initial_options=['--data-root', 'target=i'],
        train_options=['--seed', '3'],
    )
    return Recipe(**options | kwargs)


def value_of(stage, option):
    return stage.arguments[stage.arguments.index(option) + 1]


def test_stages_in_order(tmp_path):
    names = [stage.name for stage in recipe(tmp_path).stages()]
    assert names == [
        'first training',
        'round 1: pseudo-labels',
        'round 1: training',
        'round 2: pseudo-labels',
        'round 2: training',
    ]


def test_labels_made_in_training_need_no_stage(tmp_path):
    stages = recipe(
        tmp_path, rounds=1, continue_training=True, label_online=True
    ).stages()
    assert [stage.name for stage in stages] == [
        'first training',
        'round 1: training',
    ]
    first = str(tmp_path / 'round_0/iter_30.pth')
    assert value_of(stages[1], '--load-from') == first
    assert '--pseudo-labels' not in stages[1].arguments


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(rounds=2, continue_training=True), 'there is one round'),
        ({}, 'needs continue_training=True'),
    ],
)
def test_labels_made_in_training_go_with_one_round(options, message):
    with pytest.raises(ConfigError, match=message):
        SelfTrainingOptions('first.py', label_online=True, **options)


def test_each_round_labels_with_the_network_before(tmp_path):
    stages = recipe(tmp_path).stages()
    used = [stages[i].arguments[1] for i in (1, 3)]
    assert used == [
        str(tmp_path / 'round_0/iter_30.pth'),
        str(tmp_path / 'round_1/iter_40.pth'),
    ]


def test_each_round_trains_on_its_labels(tmp_path):
    stages = recipe(tmp_path).stages()
    used = [value_of(stages[i], '--pseudo-labels') for i in (2, 4)]
    assert used == [str(tmp_path / f'round_{r}/pseudo_labels') for r in (1, 2)]


def test_rounds_start_anew_by_default(tmp_path):
    for stage in recipe(tmp_path).stages():
        assert '--load-from' not in stage.arguments


def test_rounds_can_continue(tmp_path):
    stages = recipe(tmp_path, continue_training=True).stages()
    used = [value_of(stages[i], '--load-from') for i in (2, 4)]
    assert used == [
        str(tmp_path / 'round_0/iter_30.pth'),
        str(tmp_path / 'round_1/iter_40.pth'),
    ]


def test_first_training_can_be_left_out(tmp_path):
    stages = recipe(tmp_path, initial_checkpoint=Path('a.pth')).stages()
    assert len(stages) == 4
    assert stages[0].arguments[1] == 'a.pth'


def test_labelling_gets_no_options_of_trainings(tmp_path):
    stages = recipe(tmp_path).stages()
    assert ['--seed' in stage.arguments for stage in stages] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_options_of_the_first_training(tmp_path):
    stages = recipe(tmp_path).stages()
    assert value_of(stages[0], '--data-root') == 'target=i'
    assert value_of(stages[1], '--data-root') == 'target=t'


def test_a_stage_is_done_when_its_last_file_is_there(tmp_path):
    stage = recipe(tmp_path).stages()[0]
    assert not stage.is_done
    (tmp_path / 'round_0').mkdir()
    (tmp_path / 'round_0/iter_30.pth').touch()
    assert stage.is_done


def test_an_option_and_its_value_are_removed():
    words = ['--a', '1', '--load-from', 'x.pth', '--b']
    assert without_option(words, '--load-from') == ['--a', '1', '--b']


def test_last_validation_of_a_run(tmp_path):
    file = tmp_path / '1/vis_data/scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('{"c/mIoU": 1.0}\n{"loss": 2}\n{"c/mIoU": 3.0}\n')
    assert last_validation(tmp_path) == {'c/mIoU': 3.0}


@pytest.mark.parametrize(
    'line', [b'{"c/mIoU": 4', b'\xff\n', b'[3]\n', b'\n\n', b'[' * 10**5]
)
def test_what_a_killed_run_left_of_its_log_is_passed_over(tmp_path, line):
    file = tmp_path / '1/vis_data/scalars.json'
    file.parent.mkdir(parents=True)
    file.write_bytes(b'{"c/mIoU": 3.0}\n' + line)
    assert last_validation(tmp_path) == {'c/mIoU': 3.0}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (None, 'no self_training'),
        (dict(initial='a.py', rounds=0), 'rounds must be positive'),
        (dict(initial='a.py', round=2), "no 'round' .did you mean 'rounds'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    cfg = Config(dict(self_training=options))
    with pytest.raises(ConfigError, match=message):
        SelfTrainingOptions.from_config(cfg)
