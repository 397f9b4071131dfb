# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Activations that are computed again in backward instead of being kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Output = TypeVar('Output')


def recomputed(
    module: nn.Module, function: Callable[..., Output], *values: Any
) -> Output:
    """Call a function of which backward keeps the arguments alone.

    Its gradients are those without, bit for bit: what is random is drawn
    alike, and batch norms count a batch once.

    Args:
        module: Has all batch norms that the function runs.
        function: Called now and, where gradients are wanted, in backward.
        *values: Its arguments, tensors or tuples of some.
    """
    return checkpoint(
        function,
        *values,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), constant_statistics(module)),
    )


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
        if isinstance(norm, _BatchNorm)
        and norm.running_mean is not None
        and norm.num_batches_tracked is not None
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
