import numpy as np
import torch
from tiny_models import preprocessor_config

from benchmarks.opencv_colors import in_colors_by_opencv, transfer_bytes
from mmuda.models.batch import DomainBatch
from mmuda.models.uda.collaborative_self_training import (
    from_rgb,
    in_colors_of,
    to_rgb,
)
from mmuda.registry import MODELS


def smooth(seed, low, high):
    """A normalised image (1, 3, 24, 32) of colours between two limits."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 3, 4), generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (24, 32), mode='bilinear')
    preprocessor = MODELS.build(preprocessor_config())
    colors = (low + (high - low) * fine).round()
    return preprocessor, from_rgb(preprocessor, colors, colors)


def test_as_our_transfer_but_for_rounding():
    preprocessor, images = smooth(0, 60, 160)
    _, references = smooth(1, 90, 170)
    by_opencv = in_colors_by_opencv(preprocessor, images, references)
    ours = in_colors_of(preprocessor, images, DomainBatch(references))
    gap = to_rgb(preprocessor, by_opencv) - to_rgb(preprocessor, ours)
    assert gap.abs().max() < 8
    assert gap.abs().mean() < 2


def test_images_change():
    """Shows that the test above can fail."""
    preprocessor, images = smooth(0, 60, 160)
    _, references = smooth(1, 90, 170)
    changed = in_colors_by_opencv(preprocessor, images, references)
    gap = to_rgb(preprocessor, changed) - to_rgb(preprocessor, images)
    assert gap.abs().mean() > 8


def test_constant_image_gets_the_mean():
    content = np.full((4, 4, 3), 200, np.uint8)
    style = np.full((4, 4, 3), 90, np.uint8)
    assert np.abs(transfer_bytes(content, style).astype(int) - 90).max() <= 1
