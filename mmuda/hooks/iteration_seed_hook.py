# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Random numbers that do not depend on what happened before."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmuda.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed each iteration by the run's seed, the iteration and the process.

    Dropout, mixing of images and all else that is random in a training step
    then depends on these three numbers only. A resumed run continues exactly,
    with any number of processes, and no random state has to be saved.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed Python, NumPy and PyTorch."""
        seed_all(mix_seed(runner.seed, runner.iter, get_rank()))


_WORD = 2**32


def mix_seed(*parts: int) -> int:
    """Mix numbers into one seed.

    Unlike a sum, it gives unrelated seeds to neighbouring numbers, and
    different ones to ``(1, 0)`` and ``(0, 1)``.

    Args:
        *parts: Numbers >= 0, such as seed, iteration and rank.

    Returns:
        A number in [0, 2**64).
    """
    sequence = np.random.SeedSequence(parts)
    return int(sequence.generate_state(1, np.uint64)[0])


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (CPU and all accelerators).

    Args:
        seed: A number in [0, 2**64).
    """
    random.seed(seed)
    np.random.seed([seed % _WORD, seed // _WORD])
    torch.manual_seed(seed)
