# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One batch out of labelled source and pseudo-labelled target images."""

from collections.abc import Callable

import torch
from torch import Tensor

from mmuda.models.batch import DomainBatch
from mmuda.utils.errors import ConfigError

from .class_mix import class_mix


def weighted(batch: DomainBatch, weight: float) -> DomainBatch:
    """A labelled batch whose pixels weigh by one factor more or less.

    Args:
        batch: N images with labels, and weights if there are some.
        weight: Factor of the pixels' losses, on top of these.

    Raises:
        DataError: There are no labels.
    """
    labels = batch.require_labels()
    weights = torch.full_like(labels, weight, dtype=torch.float32)
    if batch.weights is not None:
        weights = weights * batch.weights
    return DomainBatch(batch.images, labels, weights)


def join_batches(first: DomainBatch, second: DomainBatch) -> DomainBatch:
    """Put one weighted batch behind another of the same size of images."""
    parts = zip(_parts(first), _parts(second), strict=True)
    images, labels, weights = (torch.cat(pair) for pair in parts)
    return DomainBatch(images, labels, weights)


def paste_on_targets(
    source: DomainBatch,
    target: DomainBatch,
    choose: Callable[[Tensor], Tensor],
) -> DomainBatch:
    """Paste the last source images on the target images.

    Args:
        source: N_s images with labels and weights.
        target: N_t of the same size, at most N_s.
        choose: Gives the ids of the classes to paste for a label (H, W).

    Returns:
        The first N_s - N_t source images and N_t mixed ones. Pasted pixels
        keep the weights that they have in the source.

    Raises:
        ConfigError: There are more target than source images.
    """
    kept = len(source.images) - len(target.images)
    if kept < 0:
        raise ConfigError(
            f'ClassMix needs a source image for each target image, but a '
            f'batch has {len(source.images)} of the source and '
            f'{len(target.images)} of the target: raise source in '
            'train_dataloader.dataset.samples'
        )
    images, labels, weights = _parts(source)
    pure = DomainBatch(images[:kept], labels[:kept], weights[:kept])
    pasted = zip(images[kept:], labels[kept:], weights[kept:], strict=True)
    under = zip(*_parts(target), strict=True)
    mixed = [
        _paste(one, other, choose)
        for one, other in zip(pasted, under, strict=True)
    ]
    images, labels, weights = map(torch.stack, zip(*mixed, strict=True))
    return join_batches(pure, DomainBatch(images, labels, weights))


def _parts(batch: DomainBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 3, H, W), labels and weights (N, H, W)."""
    assert batch.weights is not None, 'as of weighted()'
    return batch.images, batch.require_labels(), batch.weights


def _paste(
    source: tuple[Tensor, Tensor, Tensor],
    target: tuple[Tensor, Tensor, Tensor],
    choose: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    label = source[1]
    classes = choose(label)
    mixed = class_mix(*source[:2], *target[:2], classes)
    pasted = torch.isin(label, classes)
    return *mixed, source[2].where(pasted, target[2])
