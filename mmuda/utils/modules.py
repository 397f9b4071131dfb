# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Small helpers for modules."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


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
