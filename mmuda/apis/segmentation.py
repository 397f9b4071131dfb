# Copyright (c) mmuda authors.
"""What a network says of an image, to be looked at and written."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from mmuda.utils.drawing import (
    blend,
    heat_map,
    label_image,
    legend,
    stack,
    with_colour_bar,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_path

# Pixels, so that names fit below small images.
_LEAST_LEGEND = 320


@dataclass(frozen=True)
class Segmentation:
    """The prediction of one image, at the image's own size.

    Attributes:
        label_map: (H, W) uint8 classes; 255 where the pipeline of the config
            cuts the image off (``CropFraction``).
        classes: Names of the C classes.
        palette: (C, 3) RGB colours of the classes.
        image: (H, W, 3) RGB, uint8.
        path: Of the image; None of an array. Of a frame of a video the video.
        probabilities: (C, H, W) float32, summing to 1 over the classes, and 0
            where the image is cut off; None if they were not asked for.
        entropy: (H, W) float32, from 0 (certain) to 1 (uniform), the entropy
            of the probabilities divided by ln C; not a number where the image
            is cut off; None if it was not asked for.
    """

    label_map: np.ndarray
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]]
    image: np.ndarray = field(repr=False)
    path: str | None = None
    probabilities: np.ndarray | None = None
    entropy: np.ndarray | None = None

    def overlay(
        self, opacity: float = 0.5, with_legend: bool = True
    ) -> np.ndarray:
        """Lay the colours of the classes over the image.

        Args:
            opacity: Of the colours, from 0 to 1.
            with_legend: Name the classes below the image.

        Returns:
            (H', W, 3) RGB, uint8.
        """
        picture = blend(self.image, self.label_map, self.palette, opacity)
        if not with_legend:
            return picture
        width = max(picture.shape[1], _LEAST_LEGEND)
        names = legend(self.classes, self.palette, width)
        return stack([picture, names])

    def entropy_picture(self) -> np.ndarray:
        """Draw the entropy, bright where the network is unsure.

        Returns:
            (H', W', 3) RGB, uint8, with a colour bar.

        Raises:
            ConfigError: It was not asked for.
        """
        if self.entropy is None:
            raise ConfigError(
                "the entropy was not asked for: predict(..., outputs=('labels'"
                ", 'entropy'))"
            )
        return with_colour_bar(heat_map(self.entropy), 'entropy')

    def save(self, path: str | os.PathLike) -> None:
        """Write the classes as a PNG whose palette has their colours.

        Args:
            path: Of the file, which ends in ``.png``. Its values are the
                classes, as mmseg's ``LoadAnnotations`` reads them.

        Raises:
            ConfigError: It ends otherwise.
        """
        if os.path.splitext(path)[1].lower() != '.png':
            raise ConfigError(
                f'{os.fspath(path)!r}: classes are written as PNG, whose '
                'values no compression changes; name it .png'
            )
        with atomic_path(path) as temporary:
            self.label_picture().save(temporary)

    def label_picture(self) -> Image.Image:
        """The classes as a picture whose palette has their colours."""
        return label_image(self.label_map, self.palette)

    def show(self, block: bool | None = None) -> Figure:
        """Show image, overlay and what else was asked for in a window.

        Args:
            block: As of ``matplotlib.pyplot.show``; without a screen nothing
                is opened.

        Returns:
            The figure, for notebooks and ``savefig``.
        """
        tiles = dict(image=self.image, prediction=self.overlay())
        if self.entropy is not None:
            tiles['entropy'] = self.entropy_picture()
        figure, axes = plt.subplots(
            1, len(tiles), figsize=(6 * len(tiles), 5), layout='constrained'
        )
        for axis, (title, picture) in zip(axes, tiles.items(), strict=True):
            axis.imshow(picture)
            axis.set_title(title)
            axis.set_axis_off()
        if plt.get_backend().lower() != 'agg':
            plt.show(block=block)
        return figure
