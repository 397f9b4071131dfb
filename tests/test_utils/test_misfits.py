"""Stored weights that a network's own type can't hold."""

import torch

from mmuda.utils.weights import misfits


def test_doubles_that_floats_cannot_hold():
    own = dict(weight=torch.zeros(2))
    small = torch.tensor([1.0, 3e38], dtype=torch.float64)
    assert misfits(dict(weight=small), own) == []
    (fault,) = misfits(dict(weight=small * 10), own)
    assert fault == '1 are of another type (weight float64 instead of float32)'
