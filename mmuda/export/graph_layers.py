# Copyright (c) mmuda authors.
"""Layers as a graph can hold them, for images of any size.

Some layers do arithmetic on the sides of an image in Python: a tracer writes
down the numbers of the one image that it saw, and what comes out is wrong for
all others. They compute the same here by integers and tensors that stay in
the graph.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from mmcv.cnn.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from torch import Tensor, nn
from torch.nn import functional as F

from mmuda.models.backbones import DINOVisionTransformer
from mmuda.models.backbones.dino_vit import fitted_size
from mmuda.models.decode_heads import DeepLabV3PlusHead

# Of the two kernels that positions are resized by: PyTorch's bicubic one, and
# that of antialiasing, which is Pillow's.
_CUBIC, _CUBIC_ANTIALIASED = -0.75, -0.5
_ADAPTIVE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
# Up to which sizes of images are compared with what the network does.
_LONGEST_SIDE = 16384


def make_graph_friendly(network: nn.Module) -> None:
    """Exchange what a graph can't hold by equal layers, in place.

    The network computes the same as before up to rounding, only for
    prediction: nothing drops or draws.

    Args:
        network: Any segmentor, which is not trained any more.
    """
    for module in network.modules():
        for kind, exchange in _EXCHANGES.items():
            if isinstance(module, kind):
                exchange(module)


def fixed_by(network: nn.Module, pools_any_size: bool = False) -> str | None:
    """Say why a graph of a network can't take images of any size.

    Args:
        network: Any segmentor.
        pools_any_size: Whether the graph can hold adaptive pooling.

    Returns:
        The reason, None if it can.
    """
    return next(_obstacles(network, pools_any_size), None)


def _obstacles(network: nn.Module, pools_any_size: bool) -> Iterator[str]:
    for module in network.modules():
        name = type(module).__name__
        if hasattr(module, 'detail_windows'):
            yield f'{name} sees as many detail crops as an image has room for'
        if getattr(module, 'pool_size', None) is not None:
            yield (
                f'{name} has pool_size={module.pool_size}, a window that is '
                'smaller on small images'
            )
        if not pools_any_size and isinstance(module, _ADAPTIVE):
            size = module.output_size
            sides = (size,) if isinstance(size, int) else tuple(size or ())
            if {*sides} != {1}:
                yield f'adaptive pooling to {sides} has windows of any size'
        if isinstance(module, DINOVisionTransformer):
            scale = Fraction(str(module.input_scale))
            if not _is_exact(scale, module.patch_size):
                yield (
                    f'{name} rounds sides times input_scale='
                    f'{module.input_scale} as no integers do'
                )


def _is_exact(scale: Fraction, patch: int) -> bool:
    """Whether integers give all sizes that a transformer resizes to."""
    return scale == 1 or all(
        fitted_size((side,), float(scale), patch)[0]
        == _patches(side, scale, patch) * patch
        for side in range(int(patch / scale) + 1, _LONGEST_SIDE)
    )


def _patches(side: int, scale: Fraction, patch: int) -> int:
    return side * scale.numerator // (scale.denominator * patch)


# --- layers of any network ---


def padded_convolution(conv: nn.Conv2d, maps: Tensor) -> Tensor:
    """What mmcv's ``Conv2dAdaptivePadding`` does, by integers alone.

    Args:
        conv: Its kernel reaches over its stride, or nothing was padded.
        maps: (N, C, H, W).

    Returns:
        (N, C', H / stride, W / stride), rounded up.
    """
    padding: list[int] = []
    for axis in (1, 0):
        stride = conv.stride[axis]
        reach = conv.dilation[axis] * (conv.kernel_size[axis] - 1) + 1
        # Of the last window, which begins on a multiple of the stride.
        beyond = (-maps.shape[2 + axis]) % stride
        missing = max(reach - stride, 0) + beyond
        padding += [missing // 2, missing - missing // 2]
    maps = F.pad(maps, padding)
    return F.conv2d(
        maps,
        conv.weight,
        conv.bias,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
    )


def attention(
    layer: nn.MultiheadAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    **_: Any,
) -> tuple[Tensor, None]:
    """What ``nn.MultiheadAttention`` gives beside its weights.

    Its own forward compares strides, which exporters take for conditions on
    the size of the image.

    Args:
        layer: Has one size for queries, keys and values.
        query: (L, N, C), or (N, L, C) if the layer is ``batch_first``.
        key: As the query, of S tokens.
        value: As the key.

    Returns:
        As the query, and None.
    """
    heads, size = layer.num_heads, layer.embed_dim
    biases = (
        (None,) * 3
        if layer.in_proj_bias is None
        else layer.in_proj_bias.split(size)
    )
    parts = []
    for tokens, weight, bias in zip(
        (query, key, value),
        layer.in_proj_weight.split(size),
        biases,
        strict=True,
    ):
        if not layer.batch_first:
            tokens = tokens.transpose(0, 1)
        projected = F.linear(tokens, weight, bias)
        # (N, L, C) -> (N, heads, L, C / heads)
        parts.append(projected.unflatten(2, (heads, -1)).transpose(1, 2))
    mixed = F.scaled_dot_product_attention(*parts)
    mixed = layer.out_proj(mixed.transpose(1, 2).flatten(2))
    return mixed if layer.batch_first else mixed.transpose(0, 1), None


def mean_of_map(features: Tensor) -> Tensor:
    """Mean over whole maps (N, C, h, w), (N, C, 1, 1)."""
    return features.mean(dim=(2, 3), keepdim=True)


# --- DINO's transformers ---


def fitted(vit: DINOVisionTransformer, images: Tensor) -> Tensor:
    """Images (N, 3, H, W) of whole patches, as ``vit.fitted`` gives them."""
    scale, patch = Fraction(str(vit.input_scale)), vit.patch_size
    height, width = (
        _patches(side, scale, patch) * patch for side in images.shape[2:]
    )
    # The same values where the size is the same.
    return F.interpolate(
        images, (height, width), mode='bilinear', align_corners=False
    )


def positions(
    vit: DINOVisionTransformer, side: int, size: tuple[int, int]
) -> Tensor:
    """Position embedding (1, 1 + h * w, C), as ``vit.positions`` gives it.

    Args:
        vit: Of DINOv2.
        side: Number of patches along a side that its embedding is of.
        size: Numbers h and w of patches.
    """
    first, rest = vit.pos_embed.split([1, side * side], dim=1)
    grid = rest.unflatten(1, (side, side))[0]  # (side, side, C)
    places = [torch.arange(length).to(grid) for length in size]
    # Lengths as tensors, which no tracer takes for constants.
    lengths = [place[-1] + 1 for place in places]
    if vit.num_prefix == 1:
        other = (lengths[0] != side) | (lengths[1] != side)
        more = 0.1 * other.to(grid)
        rows, columns = (
            cubic_weights(place, side, (length + more) / side)
            for place, length in zip(places, lengths, strict=True)
        )
    else:
        rows, columns = (
            antialiased_weights(place, side, length / side)
            for place, length in zip(places, lengths, strict=True)
        )
    # (h, side) x (side, side, C) x (w, side) -> (h, w, C)
    resized = torch.einsum('hr,rsc,ws->hwc', rows, grid, columns)
    return torch.cat((first, resized.flatten(0, 1)[None]), dim=1)


def cubic_weights(places: Tensor, length: int, scale: Tensor) -> Tensor:
    """Matrix of PyTorch's bicubic interpolation along one side.

    Args:
        places: (n,), 0 to n - 1.
        length: Number of values that are resized.
        scale: Factor by which they are.

    Returns:
        (n, length), rows that sum up to 1.
    """
    centres = (places + 0.5) / scale - 0.5
    below = centres.floor()
    taps = torch.arange(-1, 3).to(places)
    # Four neighbours of each, those beyond the ends at the ends: (n, 4)
    neighbours = (below[:, None] + taps).clamp(0, length - 1)
    weights = cubic((centres - below)[:, None] - taps, _CUBIC)
    # (n, 4, length)
    chosen = neighbours[:, :, None] == torch.arange(length).to(places)
    return (weights[:, :, None] * chosen).sum(dim=1)


def antialiased_weights(places: Tensor, length: int, scale: Tensor) -> Tensor:
    """The same with antialiasing, as PyTorch has it from Pillow.

    Args:
        places: As of :func:`cubic_weights`, as is the rest.
        length: Number of values that are resized.
        scale: Factor by which they are.
    """
    wide = (1 / scale).clamp(min=1)
    centres = (places + 0.5) / scale
    given = torch.arange(length).to(places) + 0.5
    weights = cubic((given - centres[:, None]) / wide, _CUBIC_ANTIALIASED)
    return weights / weights.sum(dim=1, keepdim=True)


def cubic(distances: Tensor, slope: float) -> Tensor:
    """Keys' cubic convolution kernel (IEEE TASSP 1981, equation 15).

    Args:
        distances: Of any form.
        slope: At a distance of 1.
    """
    x = distances.abs()
    near = ((slope + 2) * x - (slope + 3)) * x * x + 1
    far = slope * (((x - 5) * x + 8) * x - 4)
    zero = torch.zeros_like(x)
    return torch.where(x <= 1, near, torch.where(x < 2, far, zero))


# --- where they are put ---


def _exchange_vit(vit: nn.Module) -> None:
    assert isinstance(vit, DINOVisionTransformer)
    vit.__dict__['fitted'] = partial(fitted, vit)
    if vit.version == 2:
        side = math.isqrt(vit.pos_embed.shape[1] - 1)
        vit.__dict__['positions'] = partial(positions, vit, side)


def _exchange_forward(function: Callable) -> Callable[[nn.Module], None]:
    def exchange(module: nn.Module) -> None:
        module.forward = partial(function, module)

    return exchange


def _exchange_attention(layer: nn.Module) -> None:
    assert isinstance(layer, nn.MultiheadAttention)
    # Others keep their forward; the check of what is exported is the same.
    if layer._qkv_same_embed_dim and layer.bias_k is None:
        _exchange_forward(attention)(layer)


def _exchange_pooling(head: nn.Module) -> None:
    if getattr(head, 'pool_size', None) is None:
        head.__dict__['pooled'] = mean_of_map


_EXCHANGES: dict[type[nn.Module], Callable[[nn.Module], None]] = {
    Conv2dAdaptivePadding: _exchange_forward(padded_convolution),
    nn.MultiheadAttention: _exchange_attention,
    DINOVisionTransformer: _exchange_vit,
    DeepLabV3PlusHead: _exchange_pooling,
}
