# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checkpoint files that are whole at any moment, and when to write them."""

import math
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.optim import OptimWrapper, OptimWrapperDict

from mmuda.utils.files import atomic_write
from mmuda.utils.optimization import player_optim_wrappers


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
