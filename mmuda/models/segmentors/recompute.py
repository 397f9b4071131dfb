# Copyright (c) mmuda authors.
"""Activations that are computed again in backward instead of being kept."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Output = TypeVar('Output')

_LISTS = (nn.ModuleList, nn.Sequential)


def recomputed(
    module: nn.Module,
    function: Callable[..., Output],
    *values: Any,
    **options: Any,
) -> Output:
    """Call a function of which backward keeps the arguments alone.

    Its gradients are those without, bit for bit: what is random is drawn
    alike, and batch norms count a batch once.

    Args:
        module: Has all batch norms that the function runs.
        function: Called now and, where gradients are wanted, in backward.
        *values: Its arguments, tensors or tuples of some.
        **options: Others by name.
    """
    return checkpoint(
        function,
        *values,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), constant_statistics(module)),
        **options,
    )


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """What a network is a chain of, such as residual or transformer blocks.

    Args:
        module: Its blocks are elements of lists and sequences that have parts
            themselves, and sequences of plain layers, such as stems; none is
            inside another.
    """
    found: list[nn.Module] = []
    for child in module.children():
        parts = [*child.children()]
        if isinstance(child, nn.Sequential):
            is_block = not any([*part.children()] for part in parts)
        else:
            is_block = isinstance(module, _LISTS) and bool(parts)
            is_block &= not isinstance(child, nn.ModuleList)
        found += [child] if is_block else blocks_of(child)
    return found


@contextmanager
def recomputing(blocks: Iterable[nn.Module]) -> Iterator[None]:
    """Let backward keep the inputs of blocks alone, for calls inside.

    Of a chain of blocks the activations of one are there at a time.

    Args:
        blocks: None of them inside another.
    """
    blocks = [block for block in blocks if 'forward' not in vars(block)]
    for block in blocks:
        block.forward = partial(recomputed, block, block.forward)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


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
