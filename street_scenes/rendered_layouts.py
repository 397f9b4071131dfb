# Copyright (c) mmuda authors.
"""Where the rendered data sets keep which file: those of the sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from mmuda.utils.errors import ConfigError
from street_scenes.encoders import (
    Encoder,
    encode_carla_tags,
    encode_image,
    encode_label_ids,
    encode_palette_ids,
    encode_resized_image,
    encode_synthia_ids,
    encode_urbansyn_ids,
)
from street_scenes.scene_layout import SceneLayout
from street_scenes.street_labels import CARLA_VERSIONS


@dataclass(frozen=True)
class GTA5Layout(SceneLayout):
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
class SynthiaLayout(SceneLayout):
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
class SynscapesLayout(SceneLayout):
    """``img/rgb/1.png``, larger in ``img/rgb-2k``, and ``img/class/1.png``.

    The labels have the size of ``img/rgb``, as in the real data set.
    """

    name: ClassVar[str] = 'Synscapes'
    domain: ClassVar[str] = 'synscapes'
    size: ClassVar[tuple[int, int]] = (320, 160)
    splits: ClassVar[tuple[str, ...]] = ('all',)
    # Sides of rgb-2k, 2048x1024, by those of rgb, 1440x720.
    enlargement: ClassVar[float] = 64 / 45

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return both images and the label file of a scene."""
        name = f'{number + 1}.png'
        return {
            f'img/rgb/{name}': encode_image,
            f'img/rgb-2k/{name}': partial(
                encode_resized_image, self.enlargement
            ),
            f'img/class/{name}': encode_label_ids,
        }


@dataclass(frozen=True)
class UrbanSynLayout(SceneLayout):
    """``rgb/rgb_0001.png`` and ``ss/ss_0001.png``, train ids."""

    name: ClassVar[str] = 'UrbanSyn'
    domain: ClassVar[str] = 'synscapes'
    size: ClassVar[tuple[int, int]] = (320, 160)
    splits: ClassVar[tuple[str, ...]] = ('all',)

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return image and label file of a scene."""
        name = f'{number + 1:04d}.png'
        return {
            f'rgb/rgb_{name}': encode_image,
            f'ss/ss_{name}': encode_urbansyn_ids,
        }


@dataclass(frozen=True)
class CARLALayout(SceneLayout):
    """``rgb/00000001.png`` and tags in the red channel of ``semantic``.

    Attributes:
        version: Of the simulator: ``'0.9.14'``, or ``'0.9.13'`` with the
            numbering before.

    Raises:
        ConfigError: There is no such version.
    """

    version: str = CARLA_VERSIONS[0]

    name: ClassVar[str] = 'CARLA_raw'
    domain: ClassVar[str] = 'synthia'
    size: ClassVar[tuple[int, int]] = (320, 180)
    splits: ClassVar[tuple[str, ...]] = ('all',)

    def __post_init__(self) -> None:
        if self.version not in CARLA_VERSIONS:
            raise ConfigError(
                f'there is no version {self.version!r} of CARLA here; choose '
                f'one of {", ".join(CARLA_VERSIONS)}'
            )

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return image and label file of a scene."""
        name = f'{number + 1:08d}.png'
        return {
            f'rgb/{name}': encode_image,
            f'semantic/{name}': partial(encode_carla_tags, self.version),
        }
