# Copyright (c) mmuda authors.
"""Noticing that a training has come to nothing."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmuda.utils.checks import COUNT, optional
from mmuda.utils.errors import DivergedError
from mmuda.utils.text import join_some
from mmuda.utils.weights import not_finite

_REMEDY = (
    'lower the learning rate, or look for wrong values of '
    'model.data_preprocessor (mean, std)'
)


def diverged_losses(outputs: Mapping[str, Any]) -> list[str]:
    """Losses of an iteration that are no numbers.

    Args:
        outputs: Scalars by name, of a ``train_step``.

    Returns:
        Name and value of each; those of single losses instead of their sums,
        where both are given.
    """
    found = {
        name: float(value)
        for name, value in outputs.items()
        if 'loss' in name and not math.isfinite(float(value))
    }
    single = [name for name in found if not name.startswith('loss')]
    return [f'{name} is {found[name]}' for name in single or found]


class DivergenceWatch:
    """Counts successive iterations with a loss that is no number.

    Args:
        patience: After so many in a row :meth:`look` raises; None for never.

    Raises:
        ConfigError: ``patience`` is not at least 1.
    """

    def __init__(self, patience: int | None) -> None:
        place = 'train_cfg.nonfinite_patience'
        optional(COUNT).require(patience, place)
        self.patience = patience
        self.count = 0

    def look(self, outputs: Mapping[str, Any] | None, iteration: int) -> None:
        """Look at the losses of one iteration.

        Args:
            outputs: Scalars by name, the same in all processes: those of
                ``BaseUDA.train_step`` are averages, which no process's NaN
                leaves as they were.
            iteration: Its number, counted from 1.

        Raises:
            DivergedError: It is the last that ``patience`` allows.
        """
        losses = diverged_losses(outputs or {})
        self.count = self.count + 1 if losses else 0
        if self.patience is None or self.count < self.patience:
            return
        since = f'for {self.count} iterations in a row'
        if self.count == 1:
            since = 'in it'
        raise DivergedError(
            f'the training has diverged, stopped after iteration {iteration}: '
            f'{join_some(losses)} ({since}); {_REMEDY}; {last_checkpoint()}'
        )


def last_checkpoint() -> str:
    """Say which checkpoint of the run is the last."""
    hub = MessageHub.get_current_instance()
    path = hub.get_info('last_ckpt')
    if path is None:
        return 'no checkpoint was saved'
    return f'the last checkpoint, from before, is {path}'


def require_finite_state(
    model: nn.Module,
    optim_wrapper: OptimWrapper | OptimWrapperDict,
    iteration: int,
) -> None:
    """Refuse to save a run that has come to nothing.

    Every process must call it. The device is waited for once.

    Args:
        model: The model, with or without a distributed wrapper.
        optim_wrapper: Its optimizers.
        iteration: Number of iterations that are finished.

    Raises:
        DivergedError: A weight, statistic or value of an optimizer is no
            number, in any process.
    """
    broken = not_finite(model.state_dict())
    broken += not_finite(dict(flat_state(optim_wrapper.state_dict())))
    count = torch.tensor(len(broken))
    all_reduce(count, op='max')
    if int(count):
        raise DivergedError(
            f'the training has diverged: after iteration {iteration} model '
            f'and optimizers hold NaN or infinite values in {int(count)} of '
            f'their tensors{f" ({join_some(broken)})" if broken else ""} and '
            f'are not saved{_logged_losses()}; {_REMEDY}; {last_checkpoint()}'
        )


def _logged_losses() -> str:
    """Losses of the last iteration that are no numbers, as they are logged."""
    scalars = MessageHub.get_current_instance().log_scalars
    last = {
        name.removeprefix('train/'): buffer.current()
        for name, buffer in scalars.items()
        if name.startswith('train/')
    }
    losses = diverged_losses(last)
    return f'; {join_some(losses)}' if losses else ''


def flat_state(
    state: Mapping, prefix: str = 'optimizer'
) -> Iterator[tuple[str, Tensor]]:
    """Tensors of an optimizer's state by a name.

    Args:
        state: As of ``OptimWrapper.state_dict`` or ``OptimWrapperDict``'s.
        prefix: Begins all names.

    Yields:
        Name and tensor.
    """
    for key, value in state.items():
        name = f'{prefix}.{key}'
        if isinstance(value, Mapping):
            yield from flat_state(value, name)
        elif isinstance(value, Tensor):
            yield name, value
