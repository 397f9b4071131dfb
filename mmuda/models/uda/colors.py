# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Colours of normalised images."""

import torch
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmuda.models.style import transfer_colors


@torch.no_grad()
def in_colors_of(
    preprocessor: nn.Module,
    images: Tensor,
    samples: SampleList,
    references: Tensor,
) -> Tensor:
    """Give images the colours of a target, the n-th those of the n-th.

    If the target has fewer images, they begin anew.

    Args:
        preprocessor: What normalised the images.
        images: (N, 3, H, W) normalised images.
        samples: Samples of the target, see :func:`reference_colors`.
        references: (M, 3, H, W) normalised images of the target.

    Returns:
        (N, 3, H, W) normalised images.
    """
    style = reference_colors(preprocessor, samples, references)
    places = torch.arange(len(images), device=style.device) % len(style)
    colors = transfer_colors(to_rgb(preprocessor, images), style[places])
    return from_rgb(preprocessor, colors, images)


def to_rgb(preprocessor: nn.Module, images: Tensor) -> Tensor:
    """Undo the normalisation of images.

    Args:
        preprocessor: What normalised them.
        images: (N, 3, H, W) normalised images.

    Returns:
        (N, 3, H, W) float32 RGB in [0, 255].
    """
    values = images.float()
    if preprocessor._enable_normalize:
        values = values * preprocessor.std + preprocessor.mean
    return values if _gives_rgb(preprocessor) else values.flip(1)


def from_rgb(preprocessor: nn.Module, colors: Tensor, like: Tensor) -> Tensor:
    """Normalise images.

    Args:
        preprocessor: Normalises BGR images, as they are loaded.
        colors: (N, 3, H, W) RGB in [0, 255].
        like: Images whose type the result has.

    Returns:
        (N, 3, H, W) as the preprocessor would have made them.
    """
    values = colors if _gives_rgb(preprocessor) else colors.flip(1)
    if preprocessor._enable_normalize:
        values = (values - preprocessor.mean) / preprocessor.std
    return values.to(like)


def reference_colors(
    preprocessor: nn.Module, samples: SampleList, images: Tensor
) -> Tensor:
    """Images whose colours are typical of a target.

    Args:
        preprocessor: What normalised the images.
        samples: Samples of a target. ``weak_image`` holds what an image was
            before strong augmentation, BGR (3, H, W) uint8. None of them
            takes the images as they are.
        images: (N, 3, H, W) normalised images of the samples.

    Returns:
        (N, 3, H, W) float32 RGB in [0, 255].
    """
    if not samples or not all('weak_image' in s for s in samples):
        return to_rgb(preprocessor, images)
    weak = torch.stack([sample.weak_image.data for sample in samples])
    return weak.to(images.device, torch.float32).flip(1)


def _gives_rgb(preprocessor: nn.Module) -> bool:
    # The name of mmsegmentation 1.2.2 is the second.
    for name in ('_channel_conversion', 'channel_conversion'):
        if hasattr(preprocessor, name):
            return getattr(preprocessor, name)
    return False
