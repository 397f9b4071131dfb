# Copyright (c) mmuda authors.
"""Fitting images of many cameras into one size.

Those of Mapillary Vistas differ in size and shape, and some are upright.
Published methods fit each into a box without changing its shape and fill the
rest of the box: ``ResizeToFit``, then ``PadToSize``.
"""

import mmcv
from mmcv.transforms import BaseTransform, Pad

from mmuda.datasets.transforms.resizing import Resize
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID


@TRANSFORMS.register_module()
class ResizeToFit(BaseTransform):
    """Resize an image to the largest size of its shape inside a box.

    ``Resize(keep_ratio=True)`` turns the box for upright images, so that
    inputs differ in size. Sides are cut to whole pixels, as published.

    Modified keys: as of mmseg's ``Resize``, including all ``seg_fields``.

    Args:
        scale: Width and height of the box.
        interpolation: Of the image; labels are resized nearest neighbour.
        backend: As of :class:`Resize`.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        interpolation: str = 'bicubic',
        backend: str = 'pillow',
    ) -> None:
        width, height = scale
        self.scale = width, height
        self.interpolation = interpolation
        self.backend = backend

    def transform(self, results: dict) -> dict:
        """Resize the image and all label maps."""
        height, width = results['img'].shape[:2]
        resize = Resize(
            scale=size_inside((width, height), self.scale),
            interpolation=self.interpolation,
            backend=self.backend,
        )
        return resize.transform(results)

    def __repr__(self) -> str:
        return (
            f'ResizeToFit(scale={self.scale}, '
            f'interpolation={self.interpolation!r}, backend={self.backend!r})'
        )


@TRANSFORMS.register_module()
class PadToSize(Pad):
    """Fill an image up to a size, at the right and at the bottom.

    mmcv's ``Pad`` leaves out pseudo-labels and does not tell where the image
    is. With ``padding_size`` among the ``meta_keys`` of the packing
    transform, predictions are cut to the image.

    Modified keys: ``img`` (filled with 0, black), ``img_shape``, all
    ``seg_fields`` (filled with 255).

    Added keys: ``pad_shape``, ``padding_size`` (left, right, top, bottom).

    Args:
        size: Width and height of the result.

    Raises:
        ConfigError: If the image is larger.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size=tuple(size))

    def transform(self, results: dict) -> dict:
        """Pad the image and all label maps."""
        height, width = results['img'].shape[:2]
        right, bottom = self.size[0] - width, self.size[1] - height
        if min(right, bottom) < 0:
            raise ConfigError(
                f'PadToSize(size={self.size}) got an image of {width}x'
                f'{height}; put ResizeToFit(scale={self.size}) before it'
            )
        results = super().transform(results)
        results['padding_size'] = (0, right, 0, bottom)
        return results

    def _pad_seg(self, results: dict) -> None:
        for key in results.get('seg_fields', []):
            results[key] = mmcv.impad(
                results[key], shape=self.size[::-1], pad_val=IGNORE_ID
            )

    def __repr__(self) -> str:
        return f'PadToSize(size={self.size})'


def size_inside(
    size: tuple[int, int], box: tuple[int, int]
) -> tuple[int, int]:
    """Return the largest size of the same shape inside a box.

    Args:
        size: Width and height.
        box: Width and height.

    Returns:
        Width and height; one of them is that of the box, the other is cut to
        whole pixels, but at least 1.
    """
    width, height = size
    box_width, box_height = box
    if width * box_height > height * box_width:
        return box_width, max(1, height * box_width // width)
    return max(1, width * box_height // height), box_height
