# Copyright (c) mmuda authors.
"""Another view of an image: mirrored, smaller, in paler colours.

A network that has understood the image sees the same in it. The view is the
same for each image each time, so nothing random takes part.
"""

import math
import zlib

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor

from mmuda.models.segmentors.strips import upsampled
from mmuda.utils.drawing import black_and_white

SCALE = 0.75
_CONTRAST, _SATURATION, _BRIGHTNESS, _WHITE = 0.8, 0.7, 16.0, 255.0
# Steps of sides that patches of 14 and strides of up to 32 divide.
_STEP = 224


def has_second_view(key: str, every: int) -> bool:
    """Whether an image is among those that are seen twice.

    It depends on the name alone, not on the order of images nor on how they
    are shared among processes.

    Args:
        key: Name of the image.
        every: One in so many, on average; 0 for none.
    """
    return every > 0 and zlib.crc32(key.encode()) % every == 0


def view_side(side: int, scale: float = SCALE) -> int:
    """Length of a side of the view, a multiple of what divides the side.

    Args:
        side: Of the image, in pixels.
        scale: Of the view.
    """
    step = math.gcd(side, _STEP)
    return max(1, round(side * scale / step)) * step


def second_view(image: Tensor, scale: float = SCALE) -> Tensor:
    """Make the view.

    Args:
        image: (C, H, W) bytes, or values that are shown as
            ``black_and_white`` tells.
        scale: Of its sides.

    Returns:
        (C, h, w) float32 in the units of the image: mirrored and resized,
        with less contrast and saturation and a little brighter.
    """
    pixels = image.float().flip(2)
    black, white = 0.0, _WHITE
    if image.dtype != torch.uint8:
        black, white = black_and_white(
            float(pixels.min()), float(pixels.max())
        )
    size = view_side(pixels.shape[1], scale), view_side(pixels.shape[2], scale)
    small = F.interpolate(pixels[None], size, mode='bilinear', antialias=True)[
        0
    ]
    grey = small.mean(dim=0, keepdim=True)
    paler = grey + _SATURATION * (small - grey)
    middle = paler.mean()
    brighter = _BRIGHTNESS * (white - black) / _WHITE
    paler = middle + _CONTRAST * (paler - middle) + brighter
    return paler.clamp(black, white)


@torch.no_grad()
def predict_second_view(
    model: BaseModel, image: Tensor, size: tuple[int, int]
) -> Tensor:
    """Classes of an image as they are seen in its second view.

    Args:
        model: A UDA model or any segmentor, in the mode that it is in.
        image: (C, H, W) pixels as a data loader gives them, without padding.
        size: Height h and width w of the map to compare with.

    Returns:
        (h, w) uint8, in the place of the image's own.
    """
    view = second_view(image)
    shape = view.shape[1:]
    meta = dict(ori_shape=shape, img_shape=shape, pad_shape=shape)
    sample = SegDataSample(metainfo=meta)
    batch = dict(inputs=[view], data_samples=[sample])
    data = model.data_preprocessor(batch, False)
    inputs, metas = data['inputs'], [s.metainfo for s in data['data_samples']]
    logits = network_logits(model, inputs, metas)
    # What the preprocessor has padded is below and to the right.
    rows, columns = (
        max(1, round(cells * own / padded))
        for cells, own, padded in zip(
            logits.shape[2:], shape, inputs.shape[2:], strict=True
        )
    )
    logits = logits[..., :rows, :columns].flip(3).float()
    label = torch.empty(size, dtype=torch.uint8, device=logits.device)
    for part, strip in upsampled(logits, size, align_corners=False).parts():
        label[:, part] = strip[0].max(dim=0).indices.to(torch.uint8)
    return label


def network_logits(
    model: BaseModel, inputs: Tensor, metas: list[dict]
) -> Tensor:
    """Logits at the resolution of the network, or of sliding windows.

    Args:
        model: A UDA model, an ensemble or any segmentor.
        inputs: (N, 3, H, W) normalised images.
        metas: Meta information of each image.

    Returns:
        (N, C, h, w).
    """
    network: BaseSegmentor = getattr(model, 'predictor', model)
    config = getattr(network, 'test_cfg', None) or {}
    if config.get('mode', 'whole') == 'slide':
        return network.slide_inference(inputs, metas)
    return network(inputs)


def without_padding(image: Tensor, meta: dict) -> Tensor:
    """Cut off what a pipeline has padded.

    Args:
        image: (3, H, W).
        meta: Of its sample; ``padding_size`` is left, right, top and bottom.
    """
    left, right, top, bottom = meta.get('padding_size') or (0, 0, 0, 0)
    height, width = image.shape[1:]
    return image[:, top : height - bottom, left : width - right]
