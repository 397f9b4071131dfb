# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading and swapping the style of features inside a backbone."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import nn

from mmuda.models.style import (
    ChannelStatistics,
    channel_statistics,
    swap_statistics,
)
from mmuda.utils.errors import ConfigError

Style = tuple[ChannelStatistics, ...]


def style_blocks(
    backbone: nn.Module, layers: Sequence[str]
) -> list[nn.Module]:
    """The modules after which a style is read or swapped.

    Args:
        backbone: Any backbone.
        layers: Names of its submodules; of a sequence, each element counts.

    Raises:
        ConfigError: There is no submodule of a name.
    """
    blocks = []
    for name in layers:
        try:
            layer = backbone.get_submodule(name)
        except AttributeError as error:
            names = [child for child, _ in backbone.named_children()]
            raise ConfigError(
                f'segmentor.style_layers: {type(backbone).__name__} has no '
                f"'{name}' (it has {names})"
            ) from error
        parts = isinstance(layer, nn.Sequential | nn.ModuleList)
        blocks += list(layer) if parts else [layer]
    return blocks


@contextmanager
def styled(
    blocks: Sequence[nn.Module], style: Style = ()
) -> Iterator[list[ChannelStatistics]]:
    """Read the style after each block, and then swap it for another.

    Args:
        blocks: Modules whose output is one (N, C, H, W) tensor.
        style: Statistics to give to the output of each block, one for each;
            none leaves the features as they are.

    Yields:
        A list that is filled, block by block, with the statistics that the
        features had before the swap, without a graph.
    """
    read: list[ChannelStatistics] = []

    def visit(position: int, output):
        found = channel_statistics(output.detach())
        read.append(found)
        return swap_statistics(output, style[position]) if style else output

    with ExitStack() as stack:
        for position, block in enumerate(blocks):
            handle = block.register_forward_hook(
                lambda _, __, output, at=position: visit(at, output)
            )
            stack.callback(handle.remove)
        yield read
