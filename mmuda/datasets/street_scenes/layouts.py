# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Where each data set keeps which file, and how the file is encoded.

A layout says for the scene of a split which files it has and what makes the
bytes of each. A data set with other labels (polygons in JSON, other ids) is
one more class here with its own encoder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar, Protocol

import cv2
import numpy as np
from PIL import Image

from mmuda.datasets.street_scenes.labels import (
    INSTANCE_NAMES,
    LABEL_IDS,
    label_palette,
    to_synthia_ids,
)

Encoder = Callable[[np.ndarray, np.ndarray], bytes]
_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


class SceneLayout(Protocol):
    """How a data set lies on disk.

    Attributes:
        name: Name of the folder that the tool writes it to.
        domain: Built-in domain that it shows by default.
        size: Default width and height.
        splits: Names of its splits.
    """

    name: ClassVar[str]
    domain: ClassVar[str]
    size: ClassVar[tuple[int, int]]
    splits: ClassVar[tuple[str, ...]]

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the files of one scene, path under the root to encoder.

        An encoder turns an RGB image (H, W, 3) and Cityscapes label ids
        (H, W) into the bytes of the file.
        """
        ...


@dataclass(frozen=True)
class GTA5Layout:
    """``images/00001.png`` and ``labels/00001.png``, ids with a palette."""

    name: ClassVar[str] = 'GTA5'
    domain: ClassVar[str] = 'gta5'
    size: ClassVar[tuple[int, int]] = (320, 180)
    splits: ClassVar[tuple[str, ...]] = ('all',)

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return image and label file of a scene."""
        name = f'{number + 1:05d}.png'
        return {
            f'images/{name}': encode_image,
            f'labels/{name}': encode_palette_ids,
        }


@dataclass(frozen=True)
class SynthiaLayout:
    """``RGB/0000000.png`` and 16-bit ``GT/LABELS/0000000.png``."""

    name: ClassVar[str] = 'SYNTHIA'
    domain: ClassVar[str] = 'synthia'
    size: ClassVar[tuple[int, int]] = (320, 190)
    splits: ClassVar[tuple[str, ...]] = ('all',)

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return image and label file of a scene."""
        name = f'{number:07d}.png'
        return {
            f'RGB/{name}': encode_image,
            f'GT/LABELS/{name}': encode_synthia_ids,
        }


@dataclass(frozen=True)
class CityscapesLayout:
    """``leftImg8bit`` and ``gtFine``, a folder a city in each split.

    Attributes:
        with_train_labels: Whether the train split has labels, which a
            target data set does not need.
    """

    with_train_labels: bool = False

    name: ClassVar[str] = 'Cityscapes'
    domain: ClassVar[str] = 'cityscapes'
    size: ClassVar[tuple[int, int]] = (320, 160)
    splits: ClassVar[tuple[str, ...]] = ('train', 'val')
    cities: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'train': ('aachen', 'bochum', 'bremen', 'cologne'),
        'val': ('frankfurt', 'lindau', 'munster'),
    }

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the image and, if the split has them, the label ids."""
        cities = self.cities[split]
        sequence, place = divmod(number, len(cities))
        city = cities[place]
        stem = f'{split}/{city}/{city}_{sequence:06d}_000019'
        files = {f'leftImg8bit/{stem}_leftImg8bit.png': encode_image}
        if split != 'train' or self.with_train_labels:
            files[f'gtFine/{stem}_gtFine_labelIds.png'] = encode_label_ids
        return files


LAYOUTS = {
    'gta5': GTA5Layout,
    'synthia': SynthiaLayout,
    'cityscapes': CityscapesLayout,
}


def _png(array: np.ndarray) -> bytes:
    return cv2.imencode('.png', array, _FAST)[1].tobytes()


def encode_image(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the image as 8-bit RGB PNG."""
    return _png(image[..., ::-1])


def encode_label_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the label ids as 8-bit grey PNG."""
    return _png(label_ids)


def encode_palette_ids(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the label ids as PNG with the Cityscapes colours as palette."""
    picture = Image.fromarray(label_ids)
    picture.putpalette(label_palette().tobytes())
    buffer = BytesIO()
    picture.save(buffer, 'PNG', compress_level=1)
    return buffer.getvalue()


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
