# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Predictions of large images without their logits of all classes at once.

At the size of a photo of 4000x3000 the logits of 19 classes take 0.9 GB. The
class of a pixel is found from a few of these planes at a time, each resized
on its own, so that the result is that of all planes together.
"""

import math
from collections.abc import Callable, Iterable

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor, nn

#: Logits of one image; where there are more, it is a few planes at a time.
MAX_VALUES = 2**26
LOGITS, ENTROPY = 'logits', 'entropy'
# The planes (c, H, W) from a first to before a last class.
Planes = Callable[[int, int], Tensor]


def choose_outputs(model: nn.Module, outputs: Iterable[str]) -> None:
    """Say what is needed of the predictions of a model beside the classes.

    Args:
        model: A model; all segmentors inside are told.
        outputs: ``logits``, ``entropy`` or both. Without ``logits`` large
            images have none.
    """
    for module in model.modules():
        if hasattr(module, 'outputs'):
            segmentor: BaseSegmentor = module
            segmentor.outputs = frozenset(outputs)


def is_large(num_classes: int, metas: Iterable[dict], limit: int) -> bool:
    """Whether an image has too many logits to hold them all.

    Args:
        num_classes: Number of classes.
        metas: Meta information of the images of a batch.
        limit: Number of logits that are not too many.
    """
    sizes = [math.prod(meta['ori_shape'][:2]) for meta in metas]
    return num_classes * max(sizes) > limit


def predict_large_images(
    model: BaseSegmentor, inputs: Tensor, samples: SampleList
) -> SampleList:
    """Predict a batch of large images with a model that gives planes.

    Args:
        model: With ``output_planes``, ``out_channels``, ``outputs`` and
            ``max_values``.
        inputs: (N, 3, H, W) normalised images.
        samples: Meta information of each image.

    Returns:
        The samples, as :func:`predict_by_planes` leaves them.
    """
    metas = [sample.metainfo for sample in samples]
    planes = model.output_planes(inputs, metas)
    for sample, part in zip(samples, planes, strict=True):
        predict_by_planes(
            sample,
            part,
            model.out_channels,
            ENTROPY in model.outputs,
            model.max_values,
        )
    return samples


def predict_by_planes(
    sample: SegDataSample,
    planes: Planes,
    num_classes: int,
    entropy: bool,
    limit: int = MAX_VALUES,
) -> None:
    """Add ``pred_sem_seg`` to a sample, as all planes together give it.

    Args:
        sample: Of an image (H, W).
        planes: Gives logits at the size of the image.
        num_classes: Number of planes, at least 2.
        entropy: Add ``entropy`` (1, H, W), the normalised entropy, too.
        limit: At a time a quarter of so many logits are made, or one plane.
    """
    pixels = math.prod(sample.ori_shape[:2])
    count = max(1, limit // (4 * pixels))
    ranges = [
        (first, min(first + count, num_classes))
        for first in range(0, num_classes, count)
    ]
    best, label = _first_largest(planes, ranges)
    data = dict(pred_sem_seg=PixelData(data=label[None]))
    if entropy:
        values = _entropy(planes, ranges, best, num_classes)
        data['entropy'] = PixelData(data=values[None])
    sample.set_data(data)


def _first_largest(
    planes: Planes, ranges: list[tuple[int, int]]
) -> tuple[Tensor, Tensor]:
    """Largest values and their classes, as ``max`` of all planes."""
    best: Tensor | None = None
    for first, last in ranges:
        for number, value in enumerate(planes(first, last), first):
            if best is None:
                best = value.clone()
                label = torch.zeros_like(best, dtype=torch.long)
                continue
            # The first of equal ones, and the first that is no number.
            better = ~(value <= best) & ~best.isnan()
            label.masked_fill_(better, number)
            torch.maximum(best, value, out=best)
    assert best is not None, 'there are at least 2 planes'
    return best, label


def _entropy(
    planes: Planes,
    ranges: list[tuple[int, int]],
    largest: Tensor,
    num_classes: int,
) -> Tensor:
    total = torch.zeros_like(largest, dtype=torch.float32)
    weighted = torch.zeros_like(total)
    for first, last in ranges:
        shifted = planes(first, last).float() - largest
        powers = shifted.exp()
        total += powers.sum(dim=0)
        weighted += (powers * shifted).sum(dim=0)
    return (total.log() - weighted / total) / math.log(num_classes)


def fit_to_image(logits: Tensor, meta: dict, align_corners: bool) -> Tensor:
    """Bring logits of the network's input to the original image.

    As mmseg's ``postprocess_result``: padding is cut off, flipping undone.

    Args:
        logits: (1, c, h, w), any classes.
        meta: Meta information of the image.
        align_corners: How they are resized.

    Returns:
        (c, H, W).
    """
    key = 'img_padding_size' if 'img_padding_size' in meta else 'padding_size'
    left, right, top, bottom = meta.get(key, (0, 0, 0, 0))
    height, width = logits.shape[2:]
    logits = logits[..., top : height - bottom, left : width - right]
    if meta.get('flip'):
        horizontal = meta['flip_direction'] == 'horizontal'
        logits = logits.flip(dims=(3 if horizontal else 2,))
    return resize(
        logits,
        size=meta['ori_shape'],
        mode='bilinear',
        align_corners=align_corners,
        warning=False,
    )[0]
