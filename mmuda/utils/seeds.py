# Copyright (c) mmuda authors.
"""Seeds of numbers, and all random generators by one."""

import random

import numpy as np
import torch

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
