"""Which checkpoints are asked beside one that is judged."""

import pytest

from mmuda.model_selection.pool_members import (
    earlier_checkpoints,
    last_before,
    of_same_run,
    pool_of,
)


@pytest.fixture
def run(tmp_path):
    for name in ('iter_5', 'iter_10', 'iter_20', 'iter_30', 'best_iter_1'):
        (tmp_path / f'{name}.pth').touch()
    return tmp_path


def test_earlier_checkpoints(run):
    found = earlier_checkpoints(str(run / 'iter_30.pth'), 2)
    assert found == [str(run / f'iter_{n}.pth') for n in (20, 10)]
    assert earlier_checkpoints(str(run / 'best_iter_1.pth')) == []


def test_other_runs_are_preceded_by_the_last_one_before(run):
    last, before = (str(run / f'iter_{n}.pth') for n in (30, 20))
    assert pool_of(last, None) == earlier_checkpoints(last)
    assert pool_of(last, []) == []
    assert pool_of(last, ['a.pth', 'b.pth']) == [before, 'a.pth', 'b.pth']
    own = [str(run / 'iter_5.pth'), 'a.pth']
    assert pool_of(last, own) == own


def test_itself_and_later_ones_are_no_earlier_ones(run):
    ten, *others = (str(run / f'iter_{n}.pth') for n in (10, 20, 30))
    before = str(run / 'iter_5.pth')
    assert pool_of(ten, [ten, *others]) == [before, ten, *others]


def test_the_last_one_before_is_chosen_by_its_number(run):
    five, ten, twenty, thirty = (
        str(run / f'iter_{n}.pth') for n in (5, 10, 20, 30)
    )
    best = str(run / 'best_mIoU_iter_15.pth')
    # As a shell sorts them.
    assert last_before(thirty, [ten, twenty, thirty, five]) == twenty
    assert last_before(twenty, [ten, best, thirty, five, 'a.pth']) == best
    assert last_before(five, [ten, five]) is None
    assert last_before(str(run / 'own.pth'), [ten]) is None


@pytest.mark.parametrize(
    ('other', 'same'),
    [
        ('run/iter_4.pth', True),
        ('run/../run/best_mIoU_iter_2.pth', True),
        ('else/iter_4.pth', False),
        ('run/published.pth', False),
        ('run/dacs_iter_4.pth', False),
    ],
)
def test_checkpoints_of_a_training_lie_in_its_folder(other, same):
    assert of_same_run('run/iter_8.pth', other) is same
    assert of_same_run('run/published.pth', 'run/published.pth')


def test_collected_checkpoints_are_of_several_trainings():
    judged, other = 'c/advent_iter_1000.pth', 'c/dacs_iter_2000.pth'
    assert not of_same_run(judged, other)
    assert pool_of(judged, [other]) == [other]
