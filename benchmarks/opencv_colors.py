# Copyright (c) mmuda authors.
"""Colour transfer by OpenCV on 8-bit images, to compare with."""

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from mmuda.models.uda.collaborative_self_training import from_rgb, to_rgb


def in_colors_by_opencv(
    preprocessor: nn.Module, images: Tensor, references: Tensor
) -> Tensor:
    """As MLCL's ``in_colors_of``, on the CPU in 8 bits.

    Images go to the CPU one by one, are rounded to 8 bits before and after
    each conversion, and go back, as if Reinhard's transfer were made by
    OpenCV within the training step.

    Args:
        preprocessor: What normalised the images.
        images: (N, 3, H, W) normalised images.
        references: (N, 3, h, w) normalised images, the n-th for the n-th.

    Returns:
        (N, 3, H, W) normalised images.
    """
    pairs = zip(
        _to_bytes(preprocessor, images),
        _to_bytes(preprocessor, references),
        strict=True,
    )
    colors = np.stack([transfer_bytes(*pair) for pair in pairs])
    tensor = torch.from_numpy(colors).permute(0, 3, 1, 2)
    return from_rgb(preprocessor, tensor.to(images), images)


def transfer_bytes(content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Give an image mean and deviation of another one's Lab channels.

    Args:
        content: (H, W, 3) RGB uint8.
        style: (h, w, 3) RGB uint8.

    Returns:
        (H, W, 3) RGB uint8.
    """
    lab = cv2.cvtColor(content, cv2.COLOR_RGB2LAB)
    mean, deviation = cv2.meanStdDev(lab)
    wanted = cv2.meanStdDev(cv2.cvtColor(style, cv2.COLOR_RGB2LAB))
    scale = wanted[1] / np.maximum(deviation, 1e-6)
    shift = wanted[0] - scale * mean
    moved = np.rint(lab * scale.ravel() + shift.ravel()).clip(0, 255)
    return cv2.cvtColor(moved.astype(np.uint8), cv2.COLOR_LAB2RGB)


def _to_bytes(preprocessor: nn.Module, images: Tensor) -> np.ndarray:
    """Images (N, H, W, 3), RGB uint8."""
    rgb = to_rgb(preprocessor, images).round().clamp(0, 255)
    return np.ascontiguousarray(rgb.byte().cpu().permute(0, 2, 3, 1).numpy())
