# Copyright (c) mmuda authors.
"""Colour jitter of images as they are loaded."""

from collections.abc import Callable
from typing import Annotated

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmuda.registry import TRANSFORMS
from mmuda.utils.checks import NOT_NEGATIVE, SHARE, Check, is_number

HALF = Check('a number in [0, 0.5]', lambda v: is_number(v) and 0 <= v <= 0.5)
# Of an image of 8 bit in BGR, by a factor; of the hue by a part of a turn.
_OPERATIONS: tuple[Callable[[np.ndarray, float], np.ndarray], ...] = (
    mmcv.adjust_brightness,
    mmcv.adjust_contrast,
    mmcv.adjust_color,
    mmcv.adjust_hue,
)


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue in random order.

    What torchvision calls so, by mmcv's functions: brightness is a factor,
    contrast scales about the mean of the grey image, saturation about the
    grey image. It is not that of DACS and its successors (``augmentation`` of
    the methods), nor mmseg's ``PhotoMetricDistortion``.

    Modified keys: ``img``, of 8 bit.

    Args:
        brightness: The factor is drawn from 1 - brightness (at least 0) to
            1 + brightness.
        contrast: Likewise.
        saturation: Likewise.
        hue: It turns by at most this part of the circle, either way.
        prob: Probability that an image changes at all.

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(
        self,
        brightness: Annotated[float, NOT_NEGATIVE] = 0.0,
        contrast: Annotated[float, NOT_NEGATIVE] = 0.0,
        saturation: Annotated[float, NOT_NEGATIVE] = 0.0,
        hue: Annotated[float, HALF] = 0.0,
        prob: Annotated[float, SHARE] = 1.0,
    ) -> None:
        for name, value in (
            ('brightness', brightness),
            ('contrast', contrast),
            ('saturation', saturation),
        ):
            NOT_NEGATIVE.require(value, f'ColorJitter.{name}')
        HALF.require(hue, 'ColorJitter.hue')
        self.prob = SHARE.require(prob, 'ColorJitter.prob')
        self.strengths = brightness, contrast, saturation, hue

    @cache_randomness
    def draw(self) -> list[tuple[int, float]]:
        """Draw operations, in order, and their factors; none: no change."""
        if np.random.rand() >= self.prob:
            return []
        drawn = []
        for number in np.random.permutation(len(_OPERATIONS)).tolist():
            strength = self.strengths[number]
            if strength:
                middle = 0 if number == len(_OPERATIONS) - 1 else 1
                least = middle - strength
                if middle:
                    least = max(0.0, least)
                factor = np.random.uniform(least, middle + strength)
                drawn.append((number, factor))
        return drawn

    def transform(self, results: dict) -> dict:
        """Change the image."""
        image = results['img']
        for number, factor in self.draw():
            image = _OPERATIONS[number](image, factor)
        results['img'] = image
        return results

    def __repr__(self) -> str:
        names = ('brightness', 'contrast', 'saturation', 'hue')
        values = zip(names, self.strengths, strict=True)
        parts = [f'{name}={value}' for name, value in values]
        return f'ColorJitter({", ".join(parts)}, prob={self.prob})'
