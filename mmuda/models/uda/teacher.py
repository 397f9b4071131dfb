# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A teacher: a second network that is the average of a trained one.

mmengine's averaged models are not used: they put ``module.`` into the names
of a checkpoint and keep a count of their own.
"""

import copy
from typing import Literal, get_args

import torch
from torch import nn

from mmuda.utils.errors import ConfigError

Network = Literal['segmentor', 'teacher']
Buffers = Literal['copy', 'ema']


def check_network(predict_on: str, teacher: bool) -> None:
    """Refuse to predict by a network that the model does not have.

    Args:
        predict_on: Name of the network.
        teacher: Whether the model has a teacher.

    Raises:
        ConfigError: The name is unknown, or there is no teacher.
    """
    if predict_on not in get_args(Network):
        raise ConfigError(
            f'model.predict_on must be one of {get_args(Network)}, not '
            f"'{predict_on}'"
        )
    if predict_on == 'teacher' and not teacher:
        raise ConfigError(
            "model.predict_on='teacher' needs model.teacher=True"
        )


def build_teacher(student: nn.Module) -> nn.Module:
    """Copy a network into one that is never trained.

    Args:
        student: A segmentor without a distributed wrapper.

    Returns:
        A network of the same config and weights, in evaluation mode.
    """
    # Copied, since building it anew would draw random numbers, and the other
    # parts of the model would start from other weights than without it.
    teacher = copy.deepcopy(student).requires_grad_(False).eval()
    # For mmengine: it gets the student's weights, not some of its own.
    teacher.is_init = True
    for module in teacher.modules():
        module.init_cfg = None
    return teacher


def warmed_up_momentum(updates: int, momentum: float) -> float:
    r"""Momentum of an average that is still short of values.

    .. math:: m_t = \min(1 - 1 / (t + 1), m)

    Until the limit is reached, the average weighs all students since the
    start alike. From the code of `Mean Teacher
    <https://arxiv.org/abs/1703.01780>`_; DACS and DAFormer have it, too.

    Args:
        updates: Number of this update, :math:`t`, from 1; 0 gives momentum
            0, that is a copy of the student.
        momentum: Limit :math:`m`, from 0 to 1.

    Returns:
        Weight of the old teacher, from 0 to 1.
    """
    return min(1 - 1 / (updates + 1), momentum)


@torch.no_grad()
def update_teacher(
    teacher: nn.Module,
    student: nn.Module,
    momentum: float,
    buffers: Buffers = 'copy',
) -> None:
    r"""Move a teacher's weights towards the student's, in place.

    .. math:: \theta' \leftarrow m \, \theta' + (1 - m) \, \theta

    This is the exponential moving average of `Mean Teacher
    <https://arxiv.org/abs/1703.01780>`_ (equation 1).

    Args:
        teacher: Network with weights :math:`\theta'`.
        student: Network of the same parts, without a distributed wrapper,
            with weights :math:`\theta`.
        momentum: Weight :math:`m` of the old teacher, from 0 to 1; 0 copies
            the student exactly.
        buffers: What happens to buffers, which are running statistics of
            norms: ``copy`` takes the student's, ``ema`` averages them like
            weights. Integer ones are always copied.
    """
    for old, new in zip(
        teacher.parameters(), student.parameters(), strict=True
    ):
        old.lerp_(new, 1 - momentum)
    for old, new in zip(teacher.buffers(), student.buffers(), strict=True):
        if buffers == 'ema' and old.is_floating_point():
            old.lerp_(new, 1 - momentum)
        else:
            old.copy_(new)
