# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Seeding random transforms and leaving no trace of it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_random_states(*words: int) -> None:
    """Seed what transforms draw from by some numbers, each at least 0."""
    state = np.random.SeedSequence(words).generate_state(1)
    value = int(state[0])
    random.seed(value)
    np.random.seed(value)
    # Not torch.manual_seed, which would also reach for the accelerator.
    torch.default_generator.manual_seed(value)


@contextmanager
def preserved_random_states() -> Iterator[None]:
    """Restore the random states of the process at the end."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.default_generator.set_state(torch_state)
