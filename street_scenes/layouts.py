# Copyright (c) mmuda authors.
"""Where each data set keeps which file, and how the file is encoded.

A layout says for the scene of a split which files it has and what makes the
bytes of each. Another data set is one more class here, or, of rendered
images, in ``rendered_layouts.py``, of bad weather in ``adverse_layouts.py``.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from mmuda.utils.errors import ConfigError
from street_scenes.adverse_layouts import ACDCLayout, DarkZurichLayout
from street_scenes.contours import encode_idd_polygons
from street_scenes.encoders import (
    Encoder,
    encode_image,
    encode_jpeg,
    encode_label_ids,
    encode_train_ids,
)
from street_scenes.rendered_layouts import (
    CARLALayout,
    GTA5Layout,
    SynscapesLayout,
    SynthiaLayout,
    UrbanSynLayout,
)
from street_scenes.scene_layout import SceneLayout
from street_scenes.vistas import (
    VERSIONS,
    encode_vistas_ids,
    vistas_config,
)

__all__ = [
    'ACDCLayout',
    'LAYOUTS',
    'BDD100KLayout',
    'CARLALayout',
    'CityscapesLayout',
    'DarkZurichLayout',
    'GTA5Layout',
    'IDDLayout',
    'MapillaryLayout',
    'SceneLayout',
    'SynscapesLayout',
    'SynthiaLayout',
    'UrbanSynLayout',
]


@dataclass(frozen=True)
class CityscapesLayout(SceneLayout):
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


@dataclass(frozen=True)
class IDDLayout(SceneLayout):
    """``leftImg8bit`` and polygons in ``gtFine``, a folder a drive.

    Frame numbers are counted in each drive, so that base names repeat, as
    they do in the real data set.

    Attributes:
        with_train_labels: Whether the train split has labels.
    """

    with_train_labels: bool = False

    name: ClassVar[str] = 'IDD'
    domain: ClassVar[str] = 'idd'
    size: ClassVar[tuple[int, int]] = (320, 180)
    splits: ClassVar[tuple[str, ...]] = ('train', 'val')
    drives: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'train': ('105', '230', '43', '7'),
        'val': ('119', '52'),
    }

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the image and, if the split has them, the polygons."""
        drives = self.drives[split]
        frame, place = divmod(number, len(drives))
        stem = f'{split}/{drives[place]}/{frame * 15:06d}'
        files = {f'leftImg8bit/{stem}_leftImg8bit.png': encode_image}
        if split != 'train' or self.with_train_labels:
            files[f'gtFine/{stem}_gtFine_polygons.json'] = encode_idd_polygons
        return files


@dataclass(frozen=True)
class MapillaryLayout(SceneLayout):
    """``images/<key>.jpg`` and ``labels/<key>.png`` in a folder a split.

    Images differ in size and shape, and some are upright.

    Attributes:
        with_train_labels: Whether the train split has labels.
        version: Which labels and config file there are: ``'v1.2'``, or
            ``'v2.0'`` with the labels in ``v2.0/labels``.

    Raises:
        ConfigError: There is no such version.
    """

    with_train_labels: bool = False
    version: str = 'v1.2'

    name: ClassVar[str] = 'Mapillary'
    domain: ClassVar[str] = 'mapillary'
    size: ClassVar[tuple[int, int]] = (320, 240)
    splits: ClassVar[tuple[str, ...]] = ('train', 'val')
    folders: ClassVar[Mapping[str, str]] = {
        'train': 'training',
        'val': 'validation',
    }
    # Factors on width and height: 4:3, 16:9, larger, and upright.
    shapes: ClassVar[tuple[tuple[float, float], ...]] = (
        (1.0, 1.0),
        (1.0, 0.75),
        (1.25, 1.25),
        (1.0, 1.0),
        (1.0, 0.75),
        (0.75, 4 / 3),
    )

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise ConfigError(
                f'there is no version {self.version!r} of Mapillary Vistas; '
                f'choose one of {", ".join(VERSIONS)}'
            )

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the image and, if the split has them, the label ids."""
        digest = hashlib.sha256(f'{split} {number}'.encode()).digest()
        # 22 characters, as the real keys have.
        key = base64.urlsafe_b64encode(digest[:16]).decode().rstrip('=')
        folder = self.folders[split]
        files = {f'{folder}/images/{key}.jpg': encode_jpeg}
        if split != 'train' or self.with_train_labels:
            labels = 'labels' if self.version == 'v1.2' else 'v2.0/labels'
            encode = partial(encode_vistas_ids, self.version)
            files[f'{folder}/{labels}/{key}.png'] = encode
        return files

    def scene_size(
        self, number: int, size: tuple[int, int]
    ) -> tuple[int, int]:
        """Return a size of one of the shapes, which take turns."""
        wide, high = self.shapes[number % len(self.shapes)]
        return round(wide * size[0]), round(high * size[1])

    def common_files(self) -> Mapping[str, bytes]:
        """Return the list of the labels."""
        name = 'config.json' if self.version == 'v1.2' else 'config_v2.0.json'
        return {name: vistas_config(self.version)}


@dataclass(frozen=True)
class BDD100KLayout(SceneLayout):
    """``images/10k`` and ``labels/sem_seg/masks`` with train ids.

    Attributes:
        with_train_labels: Whether the train split has labels.
    """

    with_train_labels: bool = False

    name: ClassVar[str] = 'BDD100K'
    domain: ClassVar[str] = 'bdd100k'
    size: ClassVar[tuple[int, int]] = (320, 180)
    splits: ClassVar[tuple[str, ...]] = ('train', 'val')

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the image and, if the split has them, the train ids."""
        digest = hashlib.sha256(f'{split} {number}'.encode()).hexdigest()
        # Two groups of eight digits, as the real names have.
        key = f'{digest[:8]}-{digest[8:16]}'
        files = {f'images/10k/{split}/{key}.jpg': encode_jpeg}
        if split != 'train' or self.with_train_labels:
            labels = f'labels/sem_seg/masks/{split}/{key}.png'
            files[labels] = encode_train_ids
        return files


LAYOUTS = {
    'gta5': GTA5Layout,
    'synthia': SynthiaLayout,
    'synscapes': SynscapesLayout,
    'cityscapes': CityscapesLayout,
    'idd': IDDLayout,
    'mapillary': MapillaryLayout,
    'bdd100k': BDD100KLayout,
    'acdc': ACDCLayout,
    'dark_zurich': DarkZurichLayout,
    'urbansyn': UrbanSynLayout,
    'carla': CARLALayout,
}
