"""The moving average of a network's weights."""

import pytest
import torch
from torch import nn

from mmuda.models.moving_average import update_teacher, warmed_up_momentum


def number(value):
    """A network of one weight."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def norm(value, count=0):
    """A network with running statistics."""
    network = nn.BatchNorm1d(1)
    network.running_mean.fill_(value)
    network.num_batches_tracked.fill_(count)
    return network


@pytest.mark.parametrize(
    ('updates', 'expected'),
    [(0, 0), (1, 1 / 2), (2, 2 / 3), (98, 98 / 99), (99, 0.99), (5000, 0.99)],
)
def test_momentum_rises_to_its_limit(updates, expected):
    assert warmed_up_momentum(updates, 0.99) == pytest.approx(
        expected, abs=1e-15
    )


def test_average_after_some_updates_has_the_closed_form():
    teacher, students = number(5), [2.0, -1.0, 4.0, 3.0]
    for value in students:
        update_teacher(teacher, number(value), 0.9)
    expected = 0.9**4 * 5 + sum(
        0.1 * 0.9 ** (3 - i) * value for i, value in enumerate(students)
    )
    assert teacher.weight.item() == pytest.approx(expected, rel=1e-6)


def test_average_while_warming_up_is_the_mean_of_all_students():
    teacher, students = number(5), [2.0, -1.0, 4.0]
    for i, value in enumerate(students, start=1):
        momentum = warmed_up_momentum(i, 0.999)
        update_teacher(teacher, number(value), momentum)
    expected = (5 + sum(students)) / 4
    assert teacher.weight.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(('momentum', 'kept'), [(0, 0.1), (1, 1e6)])
def test_limits_of_momentum_are_exact(momentum, kept):
    teacher = number(1e6)
    update_teacher(teacher, number(0.1), momentum)
    assert torch.equal(teacher.weight.data, torch.tensor([[kept]]))


def test_update_is_in_place_and_leaves_no_graph():
    student = number(2)
    teacher = number(1).requires_grad_(False)
    weight = teacher.weight
    update_teacher(teacher, student, 0.5)
    assert teacher.weight is weight
    assert weight.item() == 1.5
    assert weight.grad_fn is None
    assert not weight.requires_grad
    assert student.weight.requires_grad


@pytest.mark.parametrize(('buffers', 'mean'), [('copy', 3.0), ('ema', 1.5)])
def test_running_statistics(buffers, mean):
    teacher = norm(1)
    update_teacher(teacher, norm(3), 0.75, buffers)
    assert teacher.running_mean.item() == mean


@pytest.mark.parametrize('buffers', ['copy', 'ema'])
def test_counts_are_copied(buffers):
    teacher = norm(1, count=2)
    update_teacher(teacher, norm(3, count=9), 0.75, buffers)
    assert teacher.num_batches_tracked.item() == 9
