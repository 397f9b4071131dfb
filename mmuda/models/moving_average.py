# Copyright (c) mmuda authors.
"""A teacher as the moving average of a network that is trained."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

import torch
from torch import Tensor, nn

from mmuda.utils.checks import COUNT, SHARE, WHOLE
from mmuda.utils.config_ranges import START
from mmuda.utils.errors import ConfigError
from mmuda.utils.value_types import find_fault

Buffers = Literal['copy', 'ema', 'keep']


class AverageOptions(TypedDict, total=False):
    """Options of an average, those of ``MeanTeacherHook``."""

    momentum: Annotated[float, SHARE]
    warmup: bool
    interval: Annotated[int, COUNT]
    begin: Annotated[int, WHOLE]
    buffers: Buffers
    half_life: Annotated[float, START] | None


#: Their names.
OPTIONS = tuple(AverageOptions.__annotations__)


def check_options(options: Mapping[str, Any], place: str) -> None:
    """Refuse options of an average that are out of their range.

    Args:
        options: Some of :class:`AverageOptions`.
        place: What has them, for messages.

    Raises:
        ConfigError: One is; names place, option and value.
    """
    fault = find_fault(options, AverageOptions, place)
    if fault is not None:
        raise ConfigError(str(fault))


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


def momentum_of_half_life(updates: float) -> float:
    r"""Momentum by which a student weighs half after so many updates.

    .. math:: m = 2^{-1 / n}

    0.999 halves in 693 updates, which are 1.7 % of 40,000 iterations, and 0.99
    in 69.

    Args:
        updates: Number :math:`n` of updates, above 0.

    Returns:
        Weight of the old teacher, from 0 to 1.
    """
    return 0.5 ** (1 / updates)


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
            with weights :math:`\theta`; what the two share stays.
        momentum: Weight :math:`m` of the old teacher, from 0 to 1; 0 copies
            the student exactly.
        buffers: What happens to buffers, which are running statistics of
            norms: ``copy`` takes the student's, ``ema`` averages them like
            weights, ``keep`` leaves the teacher its own. Integer ones are
            copied unless all are kept.
    """
    weights = zip(teacher.parameters(), student.parameters(), strict=True)
    pairs: list[tuple[Tensor, Tensor]] = [
        (old, new) for old, new in weights if old is not new
    ]
    copied: list[tuple[Tensor, Tensor]] = []
    for old, new in zip(teacher.buffers(), student.buffers(), strict=True):
        if buffers == 'keep':
            break
        if old is new:
            continue
        averaged = buffers == 'ema' and old.is_floating_point()
        (pairs if averaged else copied).append((old, new))
    if pairs:
        # As lerp_ of each, bit for bit, in far fewer calls.
        olds, news = zip(*pairs, strict=True)
        torch._foreach_lerp_(olds, news, 1 - momentum)
    for old, new in copied:
        old.copy_(new)
