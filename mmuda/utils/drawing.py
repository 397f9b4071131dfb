# Copyright (c) mmuda authors.
"""Pictures of labels and predictions, as plain functions of arrays.

All pictures are RGB, uint8, of shape (H, W, 3).
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps, get_data_path
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from mmuda.utils.errors import ConfigError

_FONT_SIZE = 13
_LINE = 20
_GAP = 6
_LEAST_BAR = 100
_DEEPEST = 2**16 - 1
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)


def displayable(image: np.ndarray) -> np.ndarray:
    """Make a picture of an image of any number of channels and any units.

    Of more than three channels the first three are shown, of less the first
    one, grey. Fractions up to 1 count as shares, what goes beyond 255 as of
    the least number of bits that holds it, up to 16, and what is no pixel at
    all is stretched from its least to its largest value.

    Args:
        image: (H, W) or (H, W, C), the first three channels BGR.

    Returns:
        (H, W, 3) picture.
    """
    values = np.asarray(image)
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
        low, high = black_and_white(float(values.min()), float(values.max()))
        values = (values - low) * (255 / (high - low))
        values = np.rint(values).clip(0, 255).astype(np.uint8)
    return three_colours(values)


def black_and_white(low: float, high: float) -> tuple[float, float]:
    """Values that :func:`displayable` shows as black and as white.

    Args:
        low: The least value of an image that is not of bytes.
        high: Its largest one.
    """
    if low < 0 or high > _DEEPEST:
        return low, high if high > low else low + 1
    if high > 255:
        return 0.0, 2.0 ** math.ceil(math.log2(high + 1)) - 1
    return 0.0, 255.0 if high > 1 else 1.0


def three_colours(image: np.ndarray) -> np.ndarray:
    """Take the first three channels, or the first of less, three times.

    Args:
        image: (H, W) or (H, W, C), the first three channels BGR.

    Returns:
        (H, W, 3) RGB, in the units of the image.
    """
    values = np.atleast_3d(image)
    if values.shape[2] < 3:
        values = np.repeat(values[..., :1], 3, axis=2)
    return np.ascontiguousarray(values[..., 2::-1])


def colourise(
    label: np.ndarray,
    palette: Sequence[Sequence[int]],
    ignore_colour: Sequence[int] = _BLACK,
) -> np.ndarray:
    """Show each class in its colour.

    Args:
        label: (H, W) class numbers in [0, 255].
        palette: (K, 3) RGB colours, K <= 256.
        ignore_colour: Colour of all numbers from K on, 255 among them.

    Returns:
        (H, W, 3) picture.
    """
    table = np.empty((256, 3), np.uint8)
    table[:] = ignore_colour
    table[: len(palette)] = palette
    return table[label]


def label_image(
    label: np.ndarray, palette: Sequence[Sequence[int]]
) -> Image.Image:
    """Make a picture with a palette whose values are the class numbers.

    Args:
        label: (H, W) class numbers in [0, 255].
        palette: (K, 3) RGB colours, K <= 256; all other numbers are black.

    Raises:
        ConfigError: A class number does not fit into eight bits.
    """
    if label.size and label.max() > 255:
        raise ConfigError(
            f'class {label.max()}: pictures of labels hold 256 classes at most'
        )
    picture = Image.fromarray(label.astype(np.uint8))
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = np.reshape(palette, (-1, 3))
    picture.putpalette(colours.tobytes())
    return picture


def heat_map(values: np.ndarray) -> np.ndarray:
    """Show values from dark (0) to bright (1); values outside are clipped.

    Args:
        values: (H, W) numbers, such as a normalised entropy.

    Returns:
        (H, W, 3) picture.
    """
    return colormaps['inferno'](values, bytes=True)[..., :3]


def blend(
    image: np.ndarray,
    label: np.ndarray,
    palette: Sequence[Sequence[int]],
    opacity: float = 0.5,
) -> np.ndarray:
    """Lay the colours of classes over an image.

    Args:
        image: (H, W, 3) RGB, uint8.
        label: (H, W) class numbers; where they have no colour the image stays
            as it is.
        palette: (K, 3) RGB colours.
        opacity: Of the colours, from 0 to 1.

    Returns:
        (H, W, 3) picture.
    """
    colours = colourise(label, palette)
    mixed = cv2.addWeighted(image, 1 - opacity, colours, opacity, 0)
    unknown = label >= len(palette)
    if unknown.any():
        mixed[unknown] = image[unknown]
    return mixed


@cache
def _font(text: str) -> ImageFont.FreeTypeFont:
    """Matplotlib's font: that of Pillow has neither umlauts nor Cyrillic.

    Of a text with letters that it lacks, as of Chinese, it is one of the
    system's that has them all, where there is one.
    """
    own = str(Path(get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'))
    # The last resort has a box for everything; sans looks as the own one.
    others = sorted(
        (
            font
            for font in fontManager.ttflist
            if 'Last Resort' not in font.name
        ),
        key=lambda font: (font.style != 'normal', 'Sans' not in font.name),
    )
    needed = {ord(letter) for letter in text if not letter.isspace()}
    files = [own, *(f.fname for f in others if Path(f.fname).is_file())]
    fitting = (f for f in files if needed <= FT2Font(f).get_charmap().keys())
    return ImageFont.truetype(next(fitting, own), _FONT_SIZE)


def with_colour_bar(picture: np.ndarray, title: str) -> np.ndarray:
    """Put the scale of :func:`heat_map` at the right of a picture.

    Args:
        picture: (H, W, 3) of values from 0 to 1.
        title: What the values are, written above it.

    Returns:
        (H', W', 3) picture with a white background, at least as high as the
        bar needs.
    """
    font = _font(title)
    height = max(picture.shape[0], _LEAST_BAR)
    width = max(_LINE + 3 * _LINE, round(font.getlength(title)) + _GAP)
    top, bottom = _LINE + _GAP, height - _LINE // 2
    side = Image.new('RGB', (width + _GAP, height), _WHITE)
    draw = ImageDraw.Draw(side)
    draw.text((_GAP, 2), title, _BLACK, font)
    scale = heat_map(np.linspace(1, 0, bottom - top)[:, None])
    bar = np.repeat(scale, _LINE, axis=1)
    side.paste(Image.fromarray(bar), (_GAP, top))
    for value in (1.0, 0.5, 0.0):
        y = top + round((1 - value) * (bottom - top - 1))
        x = _GAP + _LINE
        draw.line((x, y, x + 4, y), _BLACK)
        draw.text((x + 8, y), f'{value:g}', _BLACK, font, anchor='lm')
    filled = np.full((height, picture.shape[1], 3), 255, np.uint8)
    filled[: picture.shape[0]] = picture
    return np.concatenate([filled, np.asarray(side)], axis=1)


def legend(
    classes: Sequence[str], palette: Sequence[Sequence[int]], width: int
) -> np.ndarray:
    """List the classes with their colours, in as many rows as are needed.

    Args:
        classes: Names of the K classes.
        palette: (K, 3) RGB colours.
        width: Width of the picture in pixels.

    Returns:
        (H, width, 3) picture with a white background.
    """
    font = _font(''.join(classes))
    places, x, row = [], _GAP, 0
    for name in classes:
        # Colour field, gap, name, gap to the next entry.
        length = _LINE + _GAP + round(font.getlength(name)) + 2 * _GAP
        if x > _GAP and x + length > width:
            x, row = _GAP, row + 1
        places.append((x, row * _LINE))
        x += length
    picture = Image.new('RGB', (width, (row + 1) * _LINE), _WHITE)
    draw = ImageDraw.Draw(picture)
    for (x, y), name, colour in zip(places, classes, palette, strict=False):
        box = (x, y + 2, x + _LINE - 1, y + _LINE - 3)
        draw.rectangle(box, fill=tuple(int(value) for value in colour))
        draw.text((x + _LINE + _GAP, y + 1), name, _BLACK, font)
    return np.asarray(picture)


def panel(tiles: Mapping[str, np.ndarray]) -> np.ndarray:
    """Put pictures side by side, each under its title.

    Args:
        tiles: Pictures of any sizes by title.

    Returns:
        (H, W, 3) picture with a white background.
    """
    font = _font(''.join(tiles))
    height = _LINE + max(tile.shape[0] for tile in tiles.values())
    width = sum(tile.shape[1] + _GAP for tile in tiles.values()) - _GAP
    picture = Image.new('RGB', (width, height), _WHITE)
    draw = ImageDraw.Draw(picture)
    x = 0
    for title, tile in tiles.items():
        draw.text((x, 1), title, _BLACK, font)
        picture.paste(Image.fromarray(tile), (x, _LINE))
        x += tile.shape[1] + _GAP
    return np.asarray(picture)


def stack(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures below each other, on white where they are not as wide.

    Args:
        pictures: (H, W, 3) each, of any sizes.

    Returns:
        (H, W, 3) picture.
    """
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate(
        [
            np.pad(
                picture,
                ((0, 0), (0, width - picture.shape[1]), (0, 0)),
                constant_values=255,
            )
            for picture in pictures
        ]
    )
