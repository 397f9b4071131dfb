import random

import numpy as np
import torch

from mmuda.utils.seeds import mix_seed, seed_all


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_same_parts_give_the_same_seed():
    assert mix_seed(3, 10, 1) == mix_seed(3, 10, 1)


def test_seed_is_the_same_on_every_machine():
    assert mix_seed(0, 1, 2) == 3071860871404845570


def test_order_matters():
    assert mix_seed(1, 0) != mix_seed(0, 1)


def test_no_collisions_of_iterations_and_ranks():
    seeds = {mix_seed(0, i, rank) for i in range(1000) for rank in range(8)}
    assert len(seeds) == 8000


def test_seed_has_64_bits():
    seeds = [mix_seed(i) for i in range(64)]
    assert 2**62 < max(seeds) < 2**64


def test_seeding_repeats_all_libraries():
    seed_all(2**64 - 1)
    first = draw()
    seed_all(2**64 - 1)
    assert draw() == first


def test_upper_half_of_a_seed_matters():
    seed_all(1)
    first = draw()
    seed_all(1 + 2**32)
    second = draw()
    # PyTorch's generator for the CPU takes the lower half only.
    assert first[0] != second[0]
    assert first[1] != second[1]
