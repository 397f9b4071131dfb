# Copyright (c) mmuda authors.
"""Soft neighbourhood density of an image, from some of its pixels.

Saito et al., `Tune it the Right Way: Unsupervised Validation of Domain
Adaptation via Soft Neighborhood Density
<https://arxiv.org/abs/2108.10860>`_, ICCV 2021.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

# As published, for segmentation.
PIXELS = 100
_TEMPERATURE, _EPS = 0.05, 1e-5
# As some lie on padding.
_CANDIDATES = 4 * PIXELS


def soft_neighbourhood_density(p: Tensor) -> Tensor:
    r"""Mean entropy of how near each pixel's probabilities are to all.

    :math:`-\frac 1 n \sum_{ij} q_{ij} \log(q_{ij} + 10^{-5})`, where
    :math:`q_i` is the softmax of the cosines between :math:`p_i` and all
    :math:`p_j`, itself included, by 0.05. High where pixels lie in few dense
    groups, so highest where all are of one class.

    As in the authors' code for segmentation. That for classification takes
    the cosine of a sample with itself for -1, so that it is hardly a
    neighbour of its own; other libraries leave it out. The value of an image
    is the mean over its n pixels there, too. Of N images that code divides
    the sum by N - 1, the index of the last one; scores here are the mean over
    images, which orders checkpoints alike and exists for a single image.

    Args:
        p: (n, C) probabilities of the pixels of an image.

    Returns:
        Scalar, at most about ln n.
    """
    unit = normalize(p, dim=1)
    q = (unit @ unit.t() / _TEMPERATURE).softmax(dim=1)
    return -(q * (q + _EPS).log()).sum(dim=1).mean()


@lru_cache(maxsize=16)
def candidate_pixels(height: int, width: int) -> Tensor:
    """Pixels of an image of some size to take the first that count of.

    Drawn at random without repetition, the same for each image each time.

    Args:
        height: Of the image.
        width: Of the image.

    Returns:
        (K,) int64 places, row by row.
    """
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(height * width, generator=generator)
    return order[:_CANDIDATES].clone()
