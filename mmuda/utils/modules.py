# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Small helpers for modules."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Run the module inside the block as a constant function.

    Gradients still flow through it to its input.

    Args:
        module: A module; afterwards each parameter's ``requires_grad`` is
            what it was.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def constant_statistics(module: nn.Module) -> Iterator[None]:
    """Leave running statistics alone inside the block.

    For a forward pass that is made a second time.

    Args:
        module: A module whose batch norms normalise as before, by the batch
            in training, but do not count it.
    """
    norms = [
        (norm, norm.momentum, norm.num_batches_tracked)
        for norm in module.modules()
        if isinstance(norm, _BatchNorm) and norm.running_mean is not None
    ]
    for norm, _, count in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = count.clone()
    try:
        yield
    finally:
        for norm, momentum, count in norms:
            norm.momentum = momentum
            norm.num_batches_tracked = count
