# Copyright (c) mmuda authors.
"""Running statistics of batch norm that are kept apart by domain in training.

Nothing here is of segmentation.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmuda.models.norm_statistics import running_norms
from mmuda.utils.errors import ConfigError


class SourceStatistics(nn.Module):
    """Running statistics of the source, beside a network that has a target's.

    Domain-specific batch norm (Chang et al., *DSBN*, CVPR 2019) with scales
    and shifts that both domains share. What a network itself holds is the
    target's, so that everything which predicts takes those; passes on the
    source take what is kept here.

    Args:
        network: Whose batch norms they are of.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, buffer in _buffers(network).items():
            self.register_buffer(_key(name), buffer.clone())

    @torch.no_grad()
    def copy_from(self, network: nn.Module) -> None:
        """Start as the network's own."""
        own, other = self._pairs(network)
        for kept, value in zip(own, other, strict=True):
            kept.copy_(value)

    @contextmanager
    def in_place_of(self, network: nn.Module) -> Iterator[None]:
        """Let a network use and count these inside the block.

        Gradients of passes outside may not be open any more: tensors change
        in place, so that compiled networks see it.

        Args:
            network: Without a distributed wrapper.
        """
        self._exchange(network)
        try:
            yield
        finally:
            self._exchange(network)

    @torch.no_grad()
    def _exchange(self, network: nn.Module) -> None:
        for kept, value in zip(*self._pairs(network), strict=True):
            held = kept.clone()
            kept.copy_(value)
            value.copy_(held)

    def _pairs(self, network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        theirs = _buffers(network)
        own = dict(self.named_buffers())
        return [own[_key(name)] for name in theirs], [*theirs.values()]


def _buffers(network: nn.Module) -> dict[str, Tensor]:
    return {
        f'{name}.{kind}': buffer
        for name, norm in running_norms(network).items()
        for kind, buffer in norm.named_buffers(recurse=False)
    }


def _key(name: str) -> str:
    # PyTorch has no dot in the name of a buffer.
    return name.replace('.', '/')


def separate_statistics(model: BaseModel) -> None:
    """Keep batch-norm statistics of source and targets apart.

    Args:
        model: A method; it gets a child ``source_statistics``.

    Raises:
        ConfigError: The method has no passes on one domain alone.
    """
    if not model.sees_domains_apart:
        raise ConfigError(
            f"model.norm_statistics='by_domain': {type(model).__name__} does "
            'not show the network that predicts the source and a target in '
            "passes of their own; take 'target', which measures statistics "
            'on target images'
        )
    model.source_statistics = SourceStatistics(model.network)


@contextmanager
def on_source(model: BaseModel) -> Iterator[None]:
    """Use and count statistics of the source inside the block.

    Before adaptation there is one domain, with which both begin.

    Args:
        model: A method that keeps them apart, in an iteration.
    """
    kept = model.source_statistics
    if model.is_warming_up:
        yield
        return
    if model.adaptation_begins:
        kept.copy_from(model.network)
    with kept.in_place_of(model.network):
        yield
