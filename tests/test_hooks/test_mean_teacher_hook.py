import pytest
import torch
from taught_runs import record, recorder, taught
from tiny_models import optim_config
from tiny_runs import equal, runner, weights

from mmuda.hooks import MeanTeacherHook
from mmuda.models.moving_average import momentum_of_half_life
from mmuda.utils.errors import ConfigError

HEAD = 'decode_head.conv_seg.weight'
MEAN = 'backbone.bn1.running_mean'
PLAIN = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))


def values(recorded, network, name=HEAD):
    return [networks[network][name] for networks in recorded]


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, [1 / 2, 2 / 3, 0.7, 0.7]),
        (dict(warmup=False), [0.7, 0.7, 0.7, 0.7]),
        (dict(begin=2), [0, 0, 1 / 2, 2 / 3]),
        (dict(begin=2, warmup=False), [0, 0, 0.7, 0.7]),
    ],
)
def test_momentum_by_iteration(options, expected):
    hook = MeanTeacherHook(momentum=0.7, **options)
    momentum = [hook.momentum_after(i) for i in (1, 2, 3, 4)]
    assert momentum == pytest.approx(expected, abs=1e-15)


def test_warmup_counts_updates_not_iterations():
    hook = MeanTeacherHook(momentum=0.7, interval=5, begin=10)
    momentum = [hook.momentum_after(i) for i in (5, 10, 15, 20, 25)]
    assert momentum == pytest.approx([0, 0, 1 / 2, 2 / 3, 0.7], abs=1e-15)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        *(('momentum', 1.1), ('momentum', 'high'), ('warmup', 'no')),
        *(('interval', 0), ('interval', 1.5), ('begin', -1)),
        *(('buffers', 'mean'), ('half_life', 0)),
    ],
)
def test_argument_out_of_range_is_an_error(name, value):
    with pytest.raises(ConfigError, match=f'MeanTeacherHook.{name}=.* must'):
        MeanTeacherHook(**{name: value})


@pytest.mark.parametrize(
    ('interval', 'expected'), [(1, 0.5 ** (1 / 4)), (2, 0.5 ** (1 / 2))]
)
def test_half_life_is_a_part_of_the_training(tmp_path, interval, expected):
    options = dict(half_life=0.5, interval=interval, momentum=0.999)
    run = taught(tmp_path, iterations=8, teacher=options | dict(warmup=False))
    run.train()
    (hook,) = (h for h in run.hooks if isinstance(h, MeanTeacherHook))
    assert hook.momentum_after(8) == pytest.approx(expected)


def test_published_momentum_has_a_half_life_of_693_updates():
    assert momentum_of_half_life(693) == pytest.approx(0.999, abs=1e-6)
    assert momentum_of_half_life(69) == pytest.approx(0.99, abs=1e-4)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({}, r'needs model\.teacher=True; set it, or'),
        (
            dict(teacher='masked_teacher'),
            r"teacher='masked_teacher'\) needs it; have a term bring it",
        ),
    ],
)
def test_model_without_a_teacher_is_an_error_before_training(
    tmp_path, options, words
):
    run = runner(tmp_path, 1, [dict(type='MeanTeacherHook', **options)])
    with pytest.raises(ConfigError, match=words):
        run.train()
    assert run.iter == 0


@pytest.mark.parametrize(
    ('optimizers', 'player'),
    [
        (optim_config('MinEnt') | dict(teacher=PLAIN), 'teacher'),
        (PLAIN, 'segmentor'),
    ],
)
def test_optimizer_of_the_teacher_is_an_error_before_training(
    tmp_path, optimizers, player
):
    run = taught(tmp_path)
    run.optim_wrapper, run.param_schedulers = optimizers, None
    with pytest.raises(ConfigError, match=f'of {player} has tensors of the'):
        run.train()
    assert run.iter == 0


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run whose statistics are averaged, too."""
    options = dict(momentum=0.75, warmup=False, buffers='ema')
    run = taught(tmp_path_factory.mktemp('trained'), teacher=options)
    return run, record(run)


@pytest.mark.parametrize('name', [HEAD, MEAN])
def test_teacher_is_the_average_of_what_was_trained(trained, name):
    start, *students = values(trained[1], 'segmentor', name)
    expected = 0.75**3 * start + sum(
        0.25 * 0.75 ** (2 - i) * student for i, student in enumerate(students)
    )
    final = values(trained[1], 'teacher', name)[-1]
    assert not torch.allclose(final, students[-1], atol=1e-6)
    torch.testing.assert_close(final, expected, rtol=0, atol=1e-7)


def test_teacher_is_in_evaluation_mode_in_training(trained):
    modes = recorder(trained[0]).teacher_trains
    assert len(modes) > 3
    assert not any(modes)


def test_statistics_are_copied_by_default(tmp_path):
    (last,) = record(taught(tmp_path, iterations=1))[1:]
    assert torch.equal(last['teacher'][MEAN], last['segmentor'][MEAN])
    assert not torch.equal(last['teacher'][HEAD], last['segmentor'][HEAD])


def test_updates_come_every_interval(tmp_path):
    teachers = values(
        record(taught(tmp_path, teacher=dict(interval=2))), 'teacher'
    )
    changed = [
        not torch.equal(*pair)
        for pair in zip(teachers, teachers[1:], strict=False)
    ]
    assert changed == [False, True, False]


def test_teacher_is_a_copy_until_it_begins(tmp_path):
    recorded = record(taught(tmp_path, teacher=dict(begin=2)))
    same = [equal(n['segmentor'], n['teacher']) for n in recorded]
    assert same == [True, True, True, False]


def test_iterations_without_a_step_count_too(tmp_path):
    run = taught(tmp_path, 4, dict(momentum=0.75, warmup=False), accumulate=2)
    recorded = record(run)
    start, first, second, third, _ = values(recorded, 'segmentor')
    assert torch.equal(start, first)
    assert torch.equal(second, third)
    teacher = values(recorded, 'teacher')
    assert torch.equal(teacher[1], start)
    for updates, average in ((1, teacher[2]), (2, teacher[3])):
        share = 0.75**updates
        expected = share * start + (1 - share) * second
        torch.testing.assert_close(average, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ('accumulate', 'interval', 'warned'),
    [(2, 1, True), (2, 3, True), (2, 2, False), (2, 4, False), (1, 1, False)],
)
def test_updates_between_two_steps_are_warned_of(
    tmp_path, monkeypatch, accumulate, interval, warned
):
    options, said = dict(interval=interval), []
    monkeypatch.setattr(
        'mmuda.hooks.mean_teacher_hook.print_log',
        lambda message, *_: said.append(message),
    )
    run = taught(tmp_path, 4, options, accumulate=accumulate)
    record(run)
    assert len(said) == warned
    if warned:
        assert f'MeanTeacherHook.interval={interval}: ' in said[0]
        assert 'set model.teacher=dict(interval=2)' in said[0]


@pytest.mark.parametrize(
    'options',
    [
        dict(momentum=0.6),
        dict(momentum=0.6, buffers='ema', warmup=False),
        dict(momentum=0.6, interval=3, begin=1),
    ],
)
def test_resumed_run_equals_a_whole_one(tmp_path, options):
    whole = taught(tmp_path / 'whole', 4, options)
    whole.train()
    taught(tmp_path / 'parts', 2, options).train()
    second = taught(tmp_path / 'parts', 4, options, resume=True)
    second.train()
    assert equal(weights(whole), weights(second))
    last = recorder(second).networks[-1]
    assert not equal(last['segmentor'], last['teacher'])


def test_fresh_run_starts_its_teacher_from_the_loaded_segmentor(
    tmp_path, trained
):
    run, recorded = trained
    path = f'{run.work_dir}/iter_3.pth'
    start = record(taught(tmp_path, 1, load_from=path))[0]
    assert not equal(recorded[-1]['teacher'], recorded[-1]['segmentor'])
    assert equal(start['segmentor'], recorded[-1]['segmentor'])
    assert equal(start['teacher'], recorded[-1]['segmentor'])


def test_checkpoint_names_the_teachers_tensors_plainly(trained):
    path = f'{trained[0].work_dir}/iter_3.pth'
    names = list(torch.load(path, weights_only=False)['state_dict'])
    assert f'teacher.{HEAD}' in names
    assert not [name for name in names if 'module.' in name]
