# Copyright (c) mmuda authors.
"""Checkpoint files that are whole at any moment, and when to write them."""

import math
from collections.abc import Mapping
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from mmuda.models.players import player_optim_wrappers
from mmuda.utils.errors import CheckpointError
from mmuda.utils.files import atomic_write
from mmuda.utils.text import join_some

# Of a checkpoint that a run continues from.
_PARTS = ('message_hub', 'meta', 'optimizer', 'state_dict')


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """Local files that appear, or replace an old file, only when whole.

    Chosen in any config by ``backend_args=dict(backend='atomic')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; an old file stays until the new one is whole."""
        atomic_write(filepath, obj)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text; an old file stays until the new one is whole."""
        atomic_write(filepath, obj.encode(encoding))


def accumulation_period(
    optim_wrapper: OptimWrapper | OptimWrapperDict,
) -> int:
    """Number of iterations after which no player has pending gradients.

    A checkpoint holds no gradients, so a run that is resumed exactly must
    have been saved at a multiple of this number.

    Args:
        optim_wrapper: Optimizer wrappers of the run.

    Returns:
        Least common multiple of the players' ``accumulative_counts``.
    """
    wrappers = player_optim_wrappers(optim_wrapper).values()
    return math.lcm(*(w._accumulative_counts for w in wrappers))


def check_resumable(
    checkpoint: dict,
    model: nn.Module,
    optim_wrapper: OptimWrapper | OptimWrapperDict,
) -> None:
    """Refuse to continue a run of another model or with other optimizers.

    mmengine logs tensors that do not fit and goes on without them.

    Args:
        checkpoint: Content of a checkpoint file.
        model: The model, without a distributed wrapper.
        optim_wrapper: Optimizer wrappers of the run.

    Raises:
        CheckpointError: It holds weights only, or those of another model, or
            the states of other optimizers, or something else in their place.
    """
    remedy = 'use the config that it was trained with, or --load-from'
    _check_parts(checkpoint)
    own, stored = (
        _shapes(state)
        for state in (model.state_dict(), checkpoint['state_dict'])
    )
    different = [
        name
        for name in [*own, *(name for name in stored if name not in own)]
        if own.get(name) != stored.get(name)
    ]
    if different:
        raise CheckpointError(
            'a run cannot continue from a checkpoint of another model; '
            f'{len(different)} tensors differ: {join_some(different)}; '
            f'{remedy}'
        )
    if isinstance(optim_wrapper, OptimWrapperDict):
        players = sorted(player_optim_wrappers(optim_wrapper))
        if sorted(checkpoint['optimizer']) != players:
            raise CheckpointError(
                'a run cannot continue from this checkpoint: it has '
                f'optimizers of {sorted(checkpoint["optimizer"])}, the config '
                f'of {players}; {remedy}'
            )


def _check_parts(checkpoint: dict) -> None:
    """Refuse what does not hold the states of a run."""
    missing = [part for part in _PARTS if part not in checkpoint]
    if missing:
        raise CheckpointError(
            'a run cannot continue from this checkpoint, which has no '
            f'{", ".join(missing)}; pass it to --load-from instead'
        )
    for part in _PARTS:
        if not isinstance(checkpoint[part], Mapping):
            raise CheckpointError(
                f'its states are not those of a training ({part} is a '
                f'{type(checkpoint[part]).__name__}); pass a checkpoint of a '
                'training'
            )


def _shapes(state: dict) -> dict[str, tuple[int, ...]]:
    """Shapes by name, but of extra states, which may have any."""
    return {
        # What is no tensor has no shape, and is told when weights are checked.
        name: tuple(getattr(tensor, 'shape', ()))
        for name, tensor in state.items()
        if not name.endswith('_extra_state')
    }
