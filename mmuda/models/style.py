# Copyright (c) mmuda authors.
"""Styles of images and features: channel statistics and their exchange.

As in CoaST (Zhang et al., Cooperative Self-Training for Multi-Target Adaptive
Semantic Segmentation, WACV 2023), after CrossNorm (Tang et al., ICCV 2021).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mmuda.color.lab import transfer_colors

__all__ = [
    'ChannelStatistics',
    'channel_statistics',
    'swap_statistics',
    'transfer_colors',
]

_EPSILON = 1e-5


class ChannelStatistics(NamedTuple):
    """Style of a batch: statistics of each channel of each sample.

    Attributes:
        mean: (N, C), float32 or better.
        std: (N, C), float32 or better, above 0.
    """

    mean: Tensor
    std: Tensor


def channel_statistics(values: Tensor) -> ChannelStatistics:
    r"""Mean and standard deviation over the pixels.

    The deviation is :math:`\sqrt{v + 10^{-5}}` with the unbiased variance v,
    so that it is never 0.

    Args:
        values: (N, C, H, W) images or features of at least two pixels.

    Returns:
        Statistics (N, C) of each sample; detach them to remember them.
    """
    wide = values.to(torch.promote_types(values.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, dim=(2, 3))
    return ChannelStatistics(mean, (variance + _EPSILON).sqrt())


def swap_statistics(values: Tensor, style: ChannelStatistics) -> Tensor:
    r"""Replace the statistics of each channel.

    .. math:: x' = (x - \mu_x) / \sigma_x \cdot \sigma + \mu

    Args:
        values: (N, C, H, W) images or features. Gradients flow through them,
            also by way of their own statistics.
        style: (N, C) statistics to have instead, the n-th for the n-th sample.

    Returns:
        (N, C, H, W) of the same type.
    """
    mean, std, new_mean, new_std = (
        part[:, :, None, None]
        for part in (*channel_statistics(values), *style)
    )
    swapped = (values.to(mean.dtype) - mean) / std * new_std + new_mean
    return swapped.to(values.dtype)
