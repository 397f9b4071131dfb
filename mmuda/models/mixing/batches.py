# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One batch out of labelled source and pseudo-labelled target images."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mmuda.utils.errors import ConfigError

from .class_mix import class_mix


class LabelledBatch(NamedTuple):
    """Images with labels.

    Attributes:
        images: (N, 3, H, W).
        labels: (N, H, W) train ids, 255 where a pixel has none.
        weights: (N, H, W) factors of the pixels' losses.
    """

    images: Tensor
    labels: Tensor
    weights: Tensor


def join_batches(first: LabelledBatch, second: LabelledBatch) -> LabelledBatch:
    """Put one batch behind another of the same size of images."""
    return LabelledBatch(
        *(torch.cat(parts) for parts in zip(first, second, strict=True))
    )


def paste_on_targets(
    source: LabelledBatch,
    target: LabelledBatch,
    choose: Callable[[Tensor], Tensor],
) -> LabelledBatch:
    """Paste the last source images on the target images.

    Args:
        source: N_s images.
        target: N_t images of the same size, at most N_s.
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
    pure = LabelledBatch(*(part[:kept] for part in source))
    pasted = LabelledBatch(*(part[kept:] for part in source))
    mixed = [
        _paste(one, other, choose)
        for one, other in zip(
            zip(*pasted, strict=True), zip(*target, strict=True), strict=True
        )
    ]
    stacked = (torch.stack(parts) for parts in zip(*mixed, strict=True))
    return join_batches(pure, LabelledBatch(*stacked))


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
