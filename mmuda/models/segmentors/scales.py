# Copyright (c) mmuda authors.
"""An image at two scales: all of it as context, parts of it in detail.

From HRDA (Hoyer et al., ECCV 2022, section 3), whose published code decides
what the paper leaves open.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, float32, promote_types
from torch.nn.functional import pad

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .prediction import Box

Size = tuple[int, int]


def offsets(length: int, crop: int, multiple: int) -> range:
    """Where crops of a side may begin.

    As published: multiples below the margin, so that of 1024 pixels a crop
    of 512 at multiples of 8 never reaches the end.

    Args:
        length: Of the side.
        crop: Of the crop, at most as long.
        multiple: Of which offsets are multiples.
    """
    places = max(1, (length - crop + 1) // multiple)
    return range(0, places * multiple, multiple)


@torch.compiler.disable
def random_box(size: Size, crop: Size, multiple: int) -> Box:
    """Draw a crop from PyTorch's global generator on the CPU.

    Args:
        size: Height and width of the image.
        crop: Those of the crop, which is not larger; one as large as the
            image needs no drawing.
        multiple: Of which its offsets are multiples.
    """
    if size == crop:
        return Box(0, size[0], 0, size[1])
    places = [
        offsets(length, part, multiple)
        for length, part in zip(size, crop, strict=True)
    ]
    top, left = (row[int(torch.randint(len(row), ()))] for row in places)
    return Box(top, top + crop[0], left, left + crop[1])


def windows(size: Size, window: Size, stride: Size) -> list[Box]:
    """Overlapping boxes that cover an image, row by row.

    The last of a row or column is moved inwards where it would not fit.

    Args:
        size: Height and width of the image.
        window: Those of a box; not larger than the image.
        stride: Distances of boxes.
    """
    tops, lefts = (
        [
            min(step, length - part)
            for step in range(0, length - part + distance, distance)
        ]
        for length, part, distance in zip(size, window, stride, strict=True)
    )
    return [
        Box(top, top + window[0], left, left + window[1])
        for top in tops
        for left in lefts
    ]


def sides_of(maps: Tensor) -> Size:
    """Height and width of maps (..., H, W).

    Numbers also where a tracer has tensors: crops and grids are of Python.
    """
    return int(maps.shape[-2]), int(maps.shape[-1])


def part(maps: Tensor, box: Box) -> Tensor:
    """Part of maps (..., H, W) in a box."""
    return maps[..., box.top : box.bottom, box.left : box.right]


def on_grid(box: Box, cell: Fraction) -> Box:
    """A box in cells of a map instead of pixels, rounded down.

    Args:
        box: In pixels.
        cell: Pixels of a cell along a side.
    """
    top, bottom, left, right = (int(edge / cell) for edge in box)
    return Box(top, bottom, left, right)


def assembled(parts: Tensor, boxes: Sequence[Box], size: Size) -> Tensor:
    """Mean of overlapping parts of maps.

    Args:
        parts: (B N, C, h, w), N maps for each of B boxes.
        boxes: Where they lie; together they cover all.
        size: H and W of the maps.

    Returns:
        (N, C, H, W).
    """
    # (B N, C, h, w) -> B x (N, C, h, w)
    of_boxes = parts.unflatten(0, (len(boxes), -1)).unbind()
    total = parts.new_zeros(*of_boxes[0].shape[:2], *size)
    count = parts.new_zeros(size)
    for maps, box in zip(of_boxes, boxes, strict=True):
        part(total, box).add_(maps)
        part(count, box).add_(1)
    return total / count


class Scales(NamedTuple):
    """Logits (N, C, h, w) of a head at two scales.

    Attributes:
        fused: Of both.
        context: Those of the context times 1 - attention.
        detail: Those of the boxes.
    """

    fused: Tensor
    context: Tensor
    detail: Tensor


def fuse(
    context: Tensor,
    detail: Tensor,
    attention: Tensor,
    boxes: Sequence[Box],
    size: Size,
    scale: Fraction,
    align_corners: bool,
) -> Scales:
    r"""Logits of context and detail together.

    .. math:: \zeta((1 - a) \odot y_c) + \zeta(a) \odot y_d

    What is upsampled (:math:`\zeta`) is the product of the context and its
    weight, and on the other side the weight alone, as in the published code.

    Args:
        context: (N, C, h, w) logits of smaller images.
        detail: (B N, C, h', w') logits of the images in B boxes; their mean
            counts where boxes overlap.
        attention: (N, C or 1, h, w), the weight :math:`a` of the detail.
        boxes: Several cover the images; out of a single one the weight is 0.
        size: Height H and width W of the images.
        scale: Of the context, as a part of the images'.
        align_corners: How maps are upsampled.

    Raises:
        ConfigError: Context and detail lie on no common grid.
    """
    cell = common_cell(context, detail, boxes, size, scale)
    whole = Box(0, size[0], 0, size[1])
    grid = on_grid(whole, cell)
    cells = grid.bottom, grid.right
    seen, box = detail, boxes[0]
    if len(boxes) > 1:
        places = [on_grid(window, cell) for window in boxes]
        seen, box = assembled(detail, places, cells), whole
    attention = _inside(attention, on_grid(box, cell / scale))
    context = (1 - attention) * context
    upsample = partial(
        resize,
        size=cells,
        mode='bilinear',
        align_corners=align_corners,
        warning=False,
    )
    fused = upsample(context)
    inside = on_grid(box, cell)
    part(fused, inside).add_(part(upsample(attention), inside) * seen)
    return Scales(fused, context, detail)


def common_cell(
    context: Tensor,
    detail: Tensor,
    boxes: Sequence[Box],
    size: Size,
    scale: Fraction,
) -> Fraction:
    """Pixels of the images along a side of a cell of the detail's logits.

    Args:
        context: As of :func:`fuse`.
        detail: As of :func:`fuse`.
        boxes: As of :func:`fuse`.
        size: As of :func:`fuse`.
        scale: As of :func:`fuse`.

    Raises:
        ConfigError: Boxes or images are no whole number of cells.
    """
    top, bottom, left, right = boxes[0]
    sides = bottom - top, right - left
    seen, context_sides = sides_of(detail), sides_of(context)
    cell = Fraction(sides[0], seen[0])
    edges = [edge / cell for places in (*boxes, size) for edge in places]
    if (
        all(edge.denominator == 1 for edge in edges)
        and [side / cell for side in sides] == [*seen]
        and [side * scale / cell for side in size] == [*context_sides]
    ):
        return cell
    raise ConfigError(
        f'segmentor: a detail of {sides} pixels gives logits of '
        f'{seen}, the context of images of {tuple(size)} '
        f'those of {context_sides}, which lie on no common grid: '
        'crop_multiple must be a multiple of the output stride of the '
        'network, detail_crop_size of twice that, and a backbone must not '
        'round up (MiT and ResNetV1c do not, DeepLabResNet does)'
    )


def check_multiple(
    multiple: int, box: Box, detail: Tensor, scale: Fraction
) -> None:
    """Refuse offsets of crops that are off the grid of the context.

    Args:
        multiple: Of which offsets are multiples.
        box: A crop.
        detail: Logits of it.
        scale: Of the context, as a part of the images'.

    Raises:
        ConfigError: They are; attention would be up to a cell off.
    """
    stride = Fraction(box.bottom - box.top, detail.shape[2])
    cell = stride / scale
    if (multiple / cell).denominator > 1:
        raise ConfigError(
            f'segmentor.crop_multiple={multiple}: crops would lie between '
            f'the cells of the context, of {cell} pixels (output stride '
            f'{stride} / context_scale={float(scale)}); set a multiple of '
            f'{cell.numerator}'
        )


def _inside(attention: Tensor, box: Box) -> Tensor:
    """Attention that is 0 out of a box."""
    height, width = sides_of(attention)
    sides = box.left, width - box.right, box.top, height - box.bottom
    return pad(part(attention, box), sides)


def padded(images: Tensor, multiple: int) -> Tensor:
    """Images with zeros on the right and below, if their sides need some.

    Args:
        images: (N, C, H, W).
        multiple: Of which the sides of the result are multiples.
    """
    height, width = sides_of(images)
    missing = -width % multiple, -height % multiple
    if not any(missing):
        return images
    return pad(images, (0, missing[0], 0, missing[1]))


def attention_of(config: dict, head: BaseDecodeHead) -> BaseDecodeHead:
    """Build the head that gives the attention of a main head.

    Args:
        config: Of a decode head; by default it has the classes of the main
            one.
        head: The main head.

    Raises:
        ConfigError: It gives neither as many maps nor a single one.
    """
    config = dict(num_classes=head.num_classes) | dict(config)
    if config['num_classes'] == 1:
        # Not used; without it mmseg warns of a classifier of one class.
        config.setdefault('threshold', 0.5)
    attention = MODELS.build(config)
    if attention.out_channels not in (1, head.out_channels):
        raise ConfigError(
            f'segmentor.attention_head.num_classes={config["num_classes"]}: '
            f'must be {head.num_classes}, as of decode_head, or 1'
        )
    return attention


def attention_weights(scores: Tensor, context: Tensor) -> Tensor:
    """Make weights of the scores of an attention head.

    Args:
        scores: (N, C or 1, h, w).
        context: (N, C, h, w) logits that they stand beside.

    Returns:
        As the scores, in (0, 1) and not in 16 bits.

    Raises:
        ConfigError: The two have other sizes.
    """
    if scores.shape[2:] != context.shape[2:]:
        raise ConfigError(
            'segmentor.attention_head gives maps of '
            f'{tuple(scores.shape[2:])}, decode_head of '
            f'{tuple(context.shape[2:])}; let both read the same levels'
        )
    return scores.to(promote_types(scores.dtype, float32)).sigmoid()
