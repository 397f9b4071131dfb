# Copyright (c) mmuda authors.
"""Blocks of DINOv2's and DINOv3's vision transformers.

Parts have the names of the released files, which therefore load as they are;
mmcv's have others (``LayerScale.weight``), and its attention asks for the
(L, L) weights, which no longer fit into memory at 6,400 tokens.
"""

import math
from collections import OrderedDict

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

# cos and sin (L, D) of the angles by which patch tokens are rotated.
Rotation = tuple[Tensor, Tensor]


class LayerScale(nn.Module):
    """A factor for each channel.

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale tokens (N, L, C)."""
        return tokens * self.gamma


class KeylessBiasLinear(nn.Linear):
    """Queries, keys and values in one layer, with no bias for the keys.

    DINOv3's. The mask is part of its files.
    """

    bias_mask: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        mask = torch.ones(3, out_features // 3)
        mask[1] = 0
        self.register_buffer('bias_mask', mask.flatten())

    def forward(self, tokens: Tensor) -> Tensor:
        """Project tokens (N, L, C) to (N, L, 3C)."""
        return linear(tokens, self.weight, self.bias * self.bias_mask)


class SelfAttention(nn.Module):
    """Multi-head self-attention.

    Args:
        channels: Of the tokens.
        num_heads: Number of heads.
        key_bias: Whether keys have a bias, as in DINOv2.
    """

    def __init__(
        self, channels: int, num_heads: int, key_bias: bool = True
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        kind = nn.Linear if key_bias else KeylessBiasLinear
        self.qkv = kind(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(
        self, tokens: Tensor, rotation: Rotation | None = None
    ) -> Tensor:
        """Let tokens attend to each other.

        Args:
            tokens: (N, L, C).
            rotation: Of the last tokens' queries and keys.

        Returns:
            (N, L, C).
        """
        qkv = self.qkv(tokens).unflatten(-1, (3, self.num_heads, -1))
        # (N, L, 3, heads, D) -> three of (N, heads, L, D)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()
        if rotation is not None:
            query, key = rotated(query, rotation), rotated(key, rotation)
        out = scaled_dot_product_attention(query, key, value)
        return self.proj(out.transpose(1, 2).flatten(2))


def rotated(values: Tensor, rotation: Rotation) -> Tensor:
    """Rotate pairs of channels of the last tokens.

    Rotary position embedding (Su et al., RoFormer, 2021), channel d paired
    with channel d + D / 2.

    Args:
        values: (N, heads, P + L, D) queries or keys, P of no patch first.
        rotation: cos and sin, each (L, D).

    Returns:
        Of the form and type of the values.
    """
    cos, sin = rotation
    first = values.shape[-2] - cos.shape[-2]
    others, patches = values.split([first, cos.shape[-2]], dim=-2)
    # In the angles' precision also where the values are in 16 bits.
    patches = patches.to(torch.promote_types(patches.dtype, cos.dtype))
    left, right = patches.chunk(2, dim=-1)
    turned = patches * cos + torch.cat((-right, left), dim=-1) * sin
    return torch.cat((others, turned.to(values.dtype)), dim=-2)


class RotaryPositions(nn.Module):
    r"""Angles of DINOv3's rotary embedding of patches in two dimensions.

    Centres of patches have coordinates from -1 to 1 on each side. A coordinate
    :math:`x` turns pair :math:`k` of its half of the pairs by
    :math:`2\pi x / p_k`, :math:`p_k = b^{4k / D}`.

    Args:
        head_channels: Channels D of a head, a multiple of 4.
        base: Base b of the periods.
        rescale: Factor up to which coordinates are stretched or shrunk at
            random in training; None for never.
    """

    periods: Tensor

    def __init__(
        self,
        head_channels: int,
        base: float = 100,
        rescale: float | None = 2,
    ) -> None:
        super().__init__()
        self.rescale = rescale
        exponents = torch.arange(head_channels // 4) * 4 / head_channels
        self.register_buffer(
            'periods', (base**exponents).to(torch.get_default_dtype())
        )

    def forward(self, height: int, width: int) -> Rotation:
        """Angles of height x width patches, row by row.

        Returns:
            cos and sin, each (height * width, D).
        """
        rows, columns = (
            2 * (torch.arange(side).to(self.periods) + 0.5) / side - 1
            for side in (height, width)
        )
        grid = torch.meshgrid(rows, columns, indexing='ij')
        places = torch.stack(grid, dim=-1).flatten(0, 1)
        if self.training and self.rescale:
            places = places * self.draw_rescale(self.rescale)
        # (L, 2, D / 4) -> (L, D / 2) -> (L, D)
        angles = 2 * math.pi * places[:, :, None] / self.periods
        angles = angles.flatten(1).tile(2)
        return angles.cos(), angles.sin()

    def draw_rescale(self, most: float) -> float:
        """Draw a factor from 1 / most to most, log-uniformly.

        By PyTorch's global generator of the CPU, whatever device is used.
        """
        return math.exp((2 * torch.rand(()).item() - 1) * math.log(most))


class Block(nn.Module):
    """Attention and perceptron, each after a norm and beside a shortcut.

    Args:
        channels: Of the tokens.
        num_heads: Of the attention.
        drop_path: Probability that a branch is left out in training.
        eps: Of the norms.
        key_bias: As of :class:`SelfAttention`.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        drop_path: float,
        eps: float,
        key_bias: bool,
    ) -> None:
        super().__init__()
        hidden = 4 * channels
        self.norm1 = nn.LayerNorm(channels, eps)
        self.attn = SelfAttention(channels, num_heads, key_bias)
        self.ls1 = LayerScale(channels)
        self.norm2 = nn.LayerNorm(channels, eps)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(channels, hidden),
                act=nn.GELU(),
                fc2=nn.Linear(hidden, channels),
            )
        )
        self.ls2 = LayerScale(channels)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(
        self, tokens: Tensor, rotation: Rotation | None = None
    ) -> Tensor:
        """Transform tokens (N, L, C); see :class:`SelfAttention`."""
        attended = self.ls1(self.attn(self.norm1(tokens), rotation))
        tokens = tokens + self.drop_path(attended)
        return tokens + self.drop_path(self.ls2(self.mlp(self.norm2(tokens))))
