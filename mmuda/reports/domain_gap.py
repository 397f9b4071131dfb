# Copyright (c) mmuda authors.
"""How far domains are apart before anything is trained on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from mmcv import rescale_size
from mmseg.datasets.transforms import ResizeShortestEdge
from torch import Tensor

from mmuda.datasets.domain_dataset import (
    iter_transforms,
    leaf_datasets,
    seed_random_states,
)
from mmuda.datasets.raw_samples import load_raw
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.evaluation.training_pictures import predict_logits
from mmuda.models.losses import entropy_map
from mmuda.models.uda import BaseUDA
from mmuda.utils.drawing import three_colours
from mmuda.utils.jobs import in_threads

Size = tuple[int, int]
# Images of a domain by whose halves it is told how far they are apart.
_HALVES = 4
# Pixels of an image whose colours are looked at.
_PIXELS = 20_000


class Colours(NamedTuple):
    """Colours as a normal distribution.

    Attributes:
        mean: (3,) of R, G and B, in the units of the files: what each image
            would be shown by differs, where they have more than 8 bits.
        covariance: (3, 3).
    """

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """(3,) standard deviations of R, G and B."""
        return np.sqrt(self.covariance.diagonal())


class _Moments(NamedTuple):
    mean: np.ndarray
    square: np.ndarray


@dataclass(frozen=True)
class DomainLook:
    """What some images of a domain are like.

    Attributes:
        name: Of the domain.
        images: Number of all images.
        sizes: Width and height of those that were read.
        seen: Width and height of the first after the pipeline's resizing,
            before crops.
        colours: Of all that were read, each image counting alike.
        within: Distance of the colours of every second image from those of
            the others; None of fewer than four images.
        pixels: (K,) labelled pixels of each class; None without labels.
        ignored: Part of the pixels without a label.
        entropy: Mean normalised entropy of a network in [0, 1], once asked.
    """

    name: str
    images: int
    sizes: list[Size]
    seen: Size
    colours: Colours
    within: float | None
    pixels: np.ndarray | None = None
    ignored: float | None = None
    entropy: float | None = None

    @property
    def ratios(self) -> np.ndarray | None:
        """(K,) part of the labelled pixels of each class."""
        if self.pixels is None:
            return None
        return self.pixels / max(self.pixels.sum(), 1)

    @property
    def size(self) -> Size:
        """Median width and height of the images on disk."""
        width, height = np.median(np.array(self.sizes), axis=0)
        return round(width), round(height)


def look_at_domain(
    name: str, dataset: SegmentationDataset, count: int, workers: int = 4
) -> DomainLook:
    """Read some images of a domain, spread over it, as they are on disk.

    Args:
        name: Of the domain.
        dataset: Its images; labels are counted if it has some.
        count: How many images at most.
        workers: Threads that read.

    Raises:
        DataError: A file can't be read.
    """
    indices = spread(len(dataset), count)
    read = partial(_read, dataset, len(dataset.metainfo['classes']))
    with in_threads(read, zip(indices), workers) as found:
        sizes, moments, pixels = zip(*found, strict=True)
    within = None
    if len(moments) >= _HALVES:
        halves = _colours(moments[::2]), _colours(moments[1::2])
        within = colour_distance(*halves)
    known = [counts for counts in pixels if counts is not None]
    total = sum(known) if known else None
    width, height = sizes[0]
    return DomainLook(
        name,
        len(dataset),
        list(sizes),
        seen_size(next(leaf_datasets(dataset)), (width, height)),
        _colours(moments),
        within,
        None if total is None else total[:-1],
        None if total is None else float(total[-1] / total.sum()),
    )


def spread(length: int, count: int) -> list[int]:
    """At most so many indices, from the first to the last.

    Args:
        length: Number of all.
        count: How many.
    """
    places = np.linspace(0, length - 1, min(count, length), dtype=int)
    return np.unique(places).tolist()


def _read(
    dataset: SegmentationDataset, num_classes: int, index: int
) -> tuple[Size, _Moments, np.ndarray | None]:
    sample = load_raw(dataset, index)
    image = sample['img']
    height, width = image.shape[:2]
    step = max(1, math.isqrt(height * width // _PIXELS))
    # (H, W, C) BGR -> (N, 3) RGB
    colours = three_colours(image[::step, ::step]).reshape(-1, 3).astype(float)
    moments = _Moments(colours.mean(0), colours.T @ colours / len(colours))
    if 'gt_seg_map' not in sample:
        return (width, height), moments, None
    counts = np.bincount(sample['gt_seg_map'].ravel(), minlength=256)
    ignored = counts[num_classes:].sum()
    counts = np.append(counts[:num_classes], ignored)
    return (width, height), moments, counts


def _colours(moments: Sequence[_Moments]) -> Colours:
    mean = np.mean([m.mean for m in moments], axis=0)
    square = np.mean([m.square for m in moments], axis=0)
    return Colours(mean, square - np.outer(mean, mean))


def colour_distance(first: Colours, second: Colours) -> float:
    r"""Fréchet distance of two normal distributions, in grey levels.

    .. math:: d^2 = |\mu_1 - \mu_2|^2 + \mathrm{tr}(\Sigma_1 + \Sigma_2
        - 2 (\Sigma_1 \Sigma_2)^{1/2})

    As of Dowson and Landau (J. Multivariate Analysis, 1982).

    Args:
        first: Colours of one domain.
        second: Colours of another.
    """
    product = first.covariance @ second.covariance
    # Those of a product of two such matrices are real and not negative.
    values = np.linalg.eigvals(product).real.clip(min=0)
    spreads = np.trace(first.covariance + second.covariance)
    square = np.square(first.mean - second.mean).sum()
    square += spreads - 2 * np.sqrt(values).sum()
    return math.sqrt(max(float(square), 0.0))


def seen_size(leaf: SegmentationDataset, size: Size) -> Size:
    """Width and height of an image after all resizing of a pipeline.

    Where the size is drawn, the one that is named counts, of several the
    middle one; crops do not.

    Args:
        leaf: A data set without wrappers.
        size: Width and height on disk.
    """
    for step in iter_transforms(getattr(leaf, 'pipeline', None)):
        if 'Resize' in type(step).__name__:
            size = _resized(step, size)
    return size


def _resized(step: Any, size: Size) -> Size:
    scale = _middle_scale(step)
    factor = getattr(step, 'scale_factor', None)
    # A random one holds the step that resizes.
    inner = getattr(step, 'resize', step)
    for edged in (step, inner):
        if isinstance(edged, ResizeShortestEdge):
            edge = scale if isinstance(scale, int) else min(scale)
            # (short edge, limit of the long one)
            return rescale_size(size, (edge, max(edge, edged.max_size)))
    if isinstance(scale, int) and scale:
        scale = scale, scale
    if isinstance(scale, tuple):
        if getattr(inner, 'keep_ratio', True):
            return rescale_size(size, scale)
        return scale
    if factor is None:
        return size
    factors = factor if isinstance(factor, list | tuple) else (factor, factor)
    return round(size[0] * factors[0]), round(size[1] * factors[1])


def _middle_scale(step: Any) -> Any:
    """The scale of a step; of a range or of several the one between."""
    if hasattr(step, 'scales'):
        known = sorted(step.scales, key=lambda scale: np.prod(scale))
        return known[len(known) // 2]
    scale = getattr(step, 'scale', None)
    if not isinstance(scale, list | tuple):
        return scale
    if isinstance(scale[0], list | tuple):
        width, height = np.mean(scale, axis=0)
        return round(width), round(height)
    return tuple(scale)


def class_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Part of the pixels that would have to change their class.

    Args:
        first: (K,) ratios, summing to 1.
        second: The same of another domain.

    Returns:
        The total variation distance, in [0, 1].
    """
    return float(np.abs(first - second).sum() / 2)


@torch.no_grad()
def with_entropy(
    look: DomainLook,
    dataset: SegmentationDataset,
    model: BaseUDA,
    count: int,
) -> DomainLook:
    """Ask a network how sure it is of a domain, as training shows it.

    Args:
        look: Of the domain.
        dataset: Its images, with the pipeline of the training, whose random
            parts are seeded.
        model: Of trained weights.
        count: How many images at most.

    Returns:
        The look with the mean normalised entropy.
    """
    device = next(model.parameters()).device
    total = torch.zeros((), dtype=torch.double, device=device)
    indices = spread(len(dataset), count)
    for index in indices:
        seed_random_states(index)
        item = dataset[index]
        image: Tensor = item['inputs']
        logits = predict_logits(model, image, item['data_samples'])
        total += entropy_map(logits).double().mean()
    return replace(look, entropy=float(total / len(indices)))
