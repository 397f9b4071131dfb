# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Styles of images and features: colours and channel statistics."""

from mmuda.color.lab import lab_to_rgb, rgb_to_lab, transfer_colors

from .statistics import (
    ChannelStatistics,
    channel_statistics,
    swap_statistics,
)

__all__ = [
    'ChannelStatistics',
    'channel_statistics',
    'lab_to_rgb',
    'rgb_to_lab',
    'swap_statistics',
    'transfer_colors',
]
