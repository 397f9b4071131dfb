# Copyright (c) mmuda authors.
"""How images and label ids become the bytes of files.

An encoder turns an RGB image (H, W, 3) and label ids (H, W), those of
``labels.py``, into the bytes of one file. Encoders of polygons are in
``contours.py``, those of Vistas in ``vistas.py``.
"""

from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from mmuda.utils.names import IGNORE_ID
from street_scenes.street_labels import (
    INSTANCE_NAMES,
    LABEL_IDS,
    label_palette,
    to_carla_tags,
    to_cityscapes_ids,
    to_synthia_ids,
    to_train_ids,
)

Encoder = Callable[[np.ndarray, np.ndarray], bytes]
# Of UrbanSyn, behind the nineteen classes.
_UNLABELLED = np.uint8(19)
_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_FINE = (cv2.IMWRITE_JPEG_QUALITY, 92)


def encode_image(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the image as 8-bit RGB PNG."""
    return _png(image[..., ::-1])


def encode_resized_image(
    factor: float, image: np.ndarray, label_ids: np.ndarray
) -> bytes:
    """Encode the image as 8-bit RGB PNG, its sides multiplied."""
    height, width = image.shape[:2]
    size = round(factor * width), round(factor * height)
    return _png(cv2.resize(image[..., ::-1], size))


def encode_jpeg(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the image as JPEG."""
    return cv2.imencode('.jpg', image[..., ::-1], _FINE)[1].tobytes()


def encode_label_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the label ids of Cityscapes as 8-bit grey PNG."""
    return _png(to_cityscapes_ids(label_ids))


def encode_train_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the train ids of Cityscapes as 8-bit grey PNG, 255: ignored."""
    return _png(to_train_ids(label_ids))


def encode_urbansyn_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the train ids of Cityscapes as 8-bit grey PNG, 19: none."""
    train_ids = to_train_ids(label_ids)
    return _png(np.where(train_ids == IGNORE_ID, _UNLABELLED, train_ids))


def encode_carla_tags(
    version: str, image: np.ndarray, label_ids: np.ndarray
) -> bytes:
    """Encode CARLA's tags as PNG: in the red channel, all else is empty.

    Args:
        version: ``'0.9.14'`` or ``'0.9.13'``, which numbers them otherwise.
        image: Not used.
        label_ids: The labels.
    """
    pixels = np.zeros((*label_ids.shape, 4), np.uint8)
    pixels[..., 2] = to_carla_tags(label_ids, version)
    pixels[..., 3] = 255
    return _png(pixels)


def encode_palette_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the label ids as PNG with the Cityscapes colours as palette."""
    return palette_png(to_cityscapes_ids(label_ids), label_palette())


def encode_synthia_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode SYNTHIA's 16-bit PNG: class in red, instance in green.

    Things of any class that touch each other are one instance; 0 is none.
    """
    things = np.isin(label_ids, [LABEL_IDS[name] for name in INSTANCE_NAMES])
    _, instances = cv2.connectedComponents(things.astype(np.uint8))
    blue_green_red = np.zeros((*label_ids.shape, 3), np.uint16)
    blue_green_red[..., 1] = instances
    blue_green_red[..., 2] = to_synthia_ids(label_ids)
    return _png(blue_green_red)


def palette_png(ids: np.ndarray, palette: np.ndarray) -> bytes:
    """Encode ids (H, W) as PNG with a palette, uint8 RGB (256, 3)."""
    picture = Image.fromarray(ids)
    picture.putpalette(palette.tobytes())
    buffer = BytesIO()
    picture.save(buffer, 'PNG', compress_level=1)
    return buffer.getvalue()


def _png(array: np.ndarray) -> bytes:
    return cv2.imencode('.png', array, _FAST)[1].tobytes()
