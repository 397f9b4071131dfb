# Copyright (c) mmuda authors.
"""From painted surfaces to a picture: texture, light, lens and sensor."""

import cv2
import numpy as np

from street_scenes.street_domains import Look
from street_scenes.street_labels import LABEL_IDS

# Standard deviation of the fine and the coarse texture in grey levels.
_TEXTURE = {
    'road': (4.0, 3.0),
    'sidewalk': (6.0, 3.0),
    'terrain': (11.0, 9.0),
    'vegetation': (15.0, 14.0),
    'building': (4.0, 4.0),
    'wall': (7.0, 5.0),
    'fence': (5.0, 2.0),
}
_OTHER = (2.0, 1.0)


def _strength(column: int) -> np.ndarray:
    table = np.full(256, _OTHER[column], np.float32)
    for name, values in _TEXTURE.items():
        table[LABEL_IDS[name]] = values[column]
    table[LABEL_IDS['sky']] = 0.0
    return table


_FINE, _COARSE = _strength(0), _strength(1)


def photograph(
    image: np.ndarray,
    label_ids: np.ndarray,
    look: Look,
    rng: np.random.Generator,
) -> np.ndarray:
    """Make a painted scene look as a domain's images do.

    Args:
        image: RGB uint8 (H, W, 3).
        label_ids: Cityscapes label ids (H, W), for the texture.
        look: Light, lens and sensor.
        rng: Noise and exposure.

    Returns:
        RGB uint8 (H, W, 3).
    """
    height, width = label_ids.shape
    scale = width / 320.0
    shape = (height, width)
    light = look.texture * (
        _FINE[label_ids] * _noise(rng, shape, 1.0)
        + _COARSE[label_ids] * _noise(rng, shape, max(1, look.grain * scale))
    )
    picture = image.astype(np.float32) + light[..., None]
    picture = cv2.transform(picture, _colour_matrix(look, rng))
    if look.blur > 0:
        picture = cv2.GaussianBlur(picture, (0, 0), look.blur * scale)
    if look.vignette > 0:
        picture *= _vignette(shape, look.vignette)[..., None]
    grain = rng.standard_normal((height, width, 3), np.float32)
    picture += look.noise * grain
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _noise(
    rng: np.random.Generator, shape: tuple[int, int], grain: float
) -> np.ndarray:
    """Draw noise of a given grain size in pixels, deviation about 1 (H, W)."""
    height, width = shape
    small = (max(2, int(height / grain)), max(2, int(width / grain)))
    noise = rng.standard_normal(small, np.float32)
    if small == shape:
        return noise
    return 1.5 * cv2.resize(noise, (width, height))


def _colour_matrix(look: Look, rng: np.random.Generator) -> np.ndarray:
    """Return saturation, contrast, exposure and cast as one (3, 4) matrix."""
    grey = np.array((0.299, 0.587, 0.114))
    matrix = look.saturation * np.eye(3) + (1 - look.saturation) * grey
    exposure = rng.uniform(*look.brightness) * np.array(look.cast)
    matrix = look.contrast * exposure[:, None] * matrix
    offset = 128.0 * (1 - look.contrast) * exposure
    return np.concatenate((matrix, offset[:, None]), axis=1)


def _vignette(shape: tuple[int, int], share: float) -> np.ndarray:
    """Return the light that reaches each pixel, 1 in the middle (H, W)."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    return 1 - 0.5 * share * (x * x + y * y)
