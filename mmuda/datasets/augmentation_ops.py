# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Operations of random augmentation with given strengths.

The fourteen operations and the ranges of their strengths are those of
FixMatch (Sohn et al., NeurIPS 2020, appendix on transformations), which
ProDA, CoaST and MLCL took over.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import mmcv
import numpy as np

from mmuda.datasets.label_maps import IGNORE_ID

# Value of all channels where an image is cut out or not covered.
GREY = 127


def _share(magnitude: float) -> float:
    """Share of the image in a mixture with black, grey or a blurred one."""
    return 0.05 + 0.9 * magnitude


# Images are BGR: mmcv's functions take them as they are, Pillow's would not.
_PHOTOMETRIC: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    'autocontrast': lambda image, m: mmcv.auto_contrast(image),
    'brightness': lambda image, m: mmcv.adjust_brightness(image, _share(m)),
    'color': lambda image, m: mmcv.adjust_color(image, _share(m)),
    'contrast': lambda image, m: mmcv.adjust_contrast(image, _share(m)),
    'equalize': lambda image, m: mmcv.imequalize(image),
    'identity': lambda image, m: image,
    'posterize': lambda image, m: mmcv.posterize(image, 4 + int(4 * m)),
    'sharpness': lambda image, m: mmcv.adjust_sharpness(image, _share(m)),
    'solarize': lambda image, m: mmcv.solarize(image, 256 - int(256 * m)),
}


def _rotate(pixels: np.ndarray, magnitude: float, **options) -> np.ndarray:
    return mmcv.imrotate(pixels, 30 * magnitude, **options)


def _shear(direction: str) -> Callable[..., np.ndarray]:
    def shear(pixels: np.ndarray, magnitude: float, **options) -> np.ndarray:
        return mmcv.imshear(pixels, 0.3 * magnitude, direction, **options)

    return shear


def _translate(direction: str, axis: int) -> Callable[..., np.ndarray]:
    def translate(
        pixels: np.ndarray, magnitude: float, **options
    ) -> np.ndarray:
        offset = int(0.3 * magnitude * pixels.shape[axis])
        return mmcv.imtranslate(pixels, offset, direction, **options)

    return translate


_GEOMETRIC: dict[str, Callable[..., np.ndarray]] = {
    'rotate': _rotate,
    'shear_x': _shear('horizontal'),
    'shear_y': _shear('vertical'),
    'translate_x': _translate('horizontal', axis=1),
    'translate_y': _translate('vertical', axis=0),
}

GEOMETRIC_OPERATIONS = tuple(_GEOMETRIC)
OPERATIONS = tuple(sorted(_PHOTOMETRIC | _GEOMETRIC))


def apply_operations(
    image: np.ndarray,
    label_maps: Mapping[str, np.ndarray],
    operations: Iterable[tuple[str, float]],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Change an image by some operations, and move label maps with it.

    Label maps follow every operation in its turn. Published code replays
    them in a fixed order, and only the last of two equal operations, so that
    they no longer match the image.

    Args:
        image: (H, W, 3) uint8, BGR; interpolated bilinearly, 127 where
            nothing of it comes to lie.
        label_maps: Each (H, W) train ids, or (H, W, C) probabilities; of
            each pixel, the nearest is taken whole, ``no_label`` where the
            image is 127.
        operations: Names and magnitudes, in [0, 1], geometric ones in
            [-1, 1]. At a magnitude of 1 an image is rotated by 30 degrees
            about its centre, sheared by 0.3 along its first row or column,
            translated by 0.3 of its size, solarized from 0 on; at 0,
            posterized to 4 bits, and its share in brightness, color, contrast
            and sharpness is 0.05. The others have one strength only.

    Returns:
        The new image and label maps; what was given is left as it is, but
        may be returned itself.
    """
    # Of each pixel the number of the one that came to lie there, or -1. One
    # map for all labels: they stay aligned, whatever their type and number of
    # channels, for which OpenCV has code of its own each.
    source = np.arange(image[..., 0].size, dtype=np.int32)
    source = source.reshape(image.shape[:2])
    grey = (GREY,) * image.shape[2]
    still = True
    for operation, magnitude in operations:
        if operation in _PHOTOMETRIC:
            image = _PHOTOMETRIC[operation](image, magnitude)
            continue
        still = False
        move = partial(_GEOMETRIC[operation], magnitude=magnitude)
        image = move(image, interpolation='bilinear', border_value=grey)
        source = move(source, interpolation='nearest', border_value=-1)
    if still:
        return image, dict(label_maps)
    # Borders are mixed with what is beside them: no pixel without a label
    # shall show a rest of the image.
    image[source < 0] = GREY
    return image, {key: _take(label_maps[key], source) for key in label_maps}


def no_label(label_map: np.ndarray) -> int:
    """Value of a label map where there is no label.

    Args:
        label_map: (H, W) train ids, or (H, W, C) probabilities.

    Returns:
        255 for train ids, 0 for probabilities.
    """
    return 0 if np.issubdtype(label_map.dtype, np.floating) else IGNORE_ID


def _take(label_map: np.ndarray, source: np.ndarray) -> np.ndarray:
    rows, columns = np.divmod(source, label_map.shape[1])
    moved = label_map[rows, columns]
    moved[source < 0] = no_label(label_map)
    return moved
