"""The stages of a self-training."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmuda.procedures.self_training_rounds import (
    RoundArguments,
    SelfTraining,
    SelfTrainingOptions,
)
from mmuda.procedures.state import last_validation
from mmuda.utils.errors import ConfigError


def config(iterations, targets=('target',)):
    pipeline = [dict(type='LoadPseudoLabels')]
    parts = {name: dict(pipeline=pipeline) for name in targets}
    return Config(
        dict(
            train_cfg=dict(max_iters=iterations),
            train_dataloader=dict(dataset=dict(targets=parts)),
        )
    )


def recipe(folder, given=None, targets=('target',), **options):
    return SelfTraining(
        SelfTrainingOptions('advent.py', **dict(rounds=2) | options),
        config(30),
        config(40, targets),
        (Path('advent.py'), Path('esl.py')),
        folder,
        given,
        arguments=RoundArguments(
            ['--data-root', 'target=t'],
            ['--data-root', 'target=i'],
            ['--seed', '3'],
        ),
    )


def stages_of(*args, **kwargs):
    return [s for step in recipe(*args, **kwargs).steps() for s in step]


def value_of(stage, option):
    return stage.arguments[stage.arguments.index(option) + 1]


def test_stages_in_order(tmp_path):
    names = [stage.title for stage in stages_of(tmp_path)]
    assert names == [
        'first training',
        'round 1: pseudo-labels',
        'round 1: training',
        'round 2: pseudo-labels',
        'round 2: training',
    ]


def test_labels_made_in_training_need_no_stage(tmp_path):
    stages = stages_of(
        tmp_path, rounds=1, continue_training=True, label_online=True
    )
    assert [stage.title for stage in stages] == [
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
    stages = stages_of(tmp_path)
    used = [stages[i].arguments[1] for i in (1, 3)]
    assert used == [
        str(tmp_path / 'round_0/iter_30.pth'),
        str(tmp_path / 'round_1/iter_40.pth'),
    ]


def test_each_round_trains_on_its_labels(tmp_path):
    stages = stages_of(tmp_path)
    used = [value_of(stages[i], '--pseudo-labels') for i in (2, 4)]
    assert used == [str(tmp_path / f'round_{r}/pseudo_labels') for r in (1, 2)]


def test_rounds_start_anew_by_default(tmp_path):
    for stage in stages_of(tmp_path):
        assert '--load-from' not in stage.arguments


def test_rounds_can_continue(tmp_path):
    stages = stages_of(tmp_path, continue_training=True)
    used = [value_of(stages[i], '--load-from') for i in (2, 4)]
    assert used == [
        str(tmp_path / 'round_0/iter_30.pth'),
        str(tmp_path / 'round_1/iter_40.pth'),
    ]


def test_first_training_can_be_left_out(tmp_path):
    stages = stages_of(tmp_path, given=Path('a.pth'))
    assert len(stages) == 4
    assert stages[0].arguments[1] == 'a.pth'


def test_labelling_gets_no_options_of_trainings(tmp_path):
    stages = stages_of(tmp_path)
    assert ['--seed' in stage.arguments for stage in stages] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_options_of_the_first_training(tmp_path):
    stages = stages_of(tmp_path)
    assert value_of(stages[0], '--data-root') == 'target=i'
    assert value_of(stages[1], '--data-root') == 'target=t'


def test_a_stage_is_done_when_its_last_file_is_there(tmp_path):
    stage = stages_of(tmp_path)[0]
    assert not stage.is_done
    (tmp_path / 'round_0').mkdir()
    (tmp_path / 'round_0/iter_30.pth').touch()
    assert stage.is_done


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


def labels_of(steps, number):
    name = f'round_{number}/label'
    return next(step for step in steps if step[0].name.startswith(name))


def test_several_targets_are_labelled_side_by_side(tmp_path):
    steps = recipe(tmp_path, targets=('rome', 'oslo')).steps()
    assert [len(step) for step in steps] == [1, 2, 1, 2, 1]


def test_each_target_has_labels_of_its_own(tmp_path):
    labels = labels_of(recipe(tmp_path, targets=('rome', 'oslo')).steps(), 2)
    assert [value_of(stage, '--domain') for stage in labels] == [
        'rome',
        'oslo',
    ]
    folder = tmp_path / 'round_2/pseudo_labels'
    assert [value_of(stage, '--out') for stage in labels] == [
        str(folder / 'rome'),
        str(folder / 'oslo'),
    ]


def test_a_training_waits_for_the_labels_of_all_targets(tmp_path):
    steps = recipe(tmp_path, targets=('rome', 'oslo')).steps()
    before = [stage.result for stage in labels_of(steps, 1)]
    assert steps[2][0].uses['labels'] == before


def test_one_target_of_another_name_is_named(tmp_path):
    (label,) = labels_of(recipe(tmp_path, targets=('rome',)).steps(), 1)
    assert value_of(label, '--domain') == 'rome'
    assert label.name == 'round_1/label'


def test_labels_that_no_training_would_load_are_refused(tmp_path):
    procedure = recipe(tmp_path, targets=())
    procedure.cfg.pseudo_labels = dict(
        rule=dict(type='KeepAll'), pipeline=[dict(type='LoadImage')]
    )
    with pytest.raises(ConfigError, match='no domain of this config loads'):
        procedure.check_configs()
