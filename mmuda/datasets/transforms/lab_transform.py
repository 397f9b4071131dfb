# Copyright (c) mmuda authors.
"""Translating source images to the colours of target images in training."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmuda.color.lab_styles import read_styles
from mmuda.color.lab_uint8 import LabStyle, in_style
from mmuda.registry import TRANSFORMS
from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError


@TRANSFORMS.register_module()
class LabTranslation(BaseTransform):
    """Give an image the Lab colours of a target image drawn at random.

    What ``tools/translate_lab.py`` does once for each image, with another
    target image each time; see ``in_style``. Put it after ``LoadImage`` and
    before transforms that crop, as the whole image is measured.

    Modified keys: ``img``.

    Args:
        statistics: File of the target that ``tools/translate_lab.py`` made.
        prob: Probability that an image is translated.

    Raises:
        ConfigError: ``prob`` is no probability, or the image is not one of 8
            bit in colour.
        DataError: The file is missing, damaged, foreign or not finished.
    """

    def __init__(self, statistics: str, prob: float = 1.0) -> None:
        SHARE.require(prob, 'LabTranslation.prob')
        self.statistics = statistics
        self.prob = prob
        self.styles = read_styles(statistics)

    @cache_randomness
    def draw_style(self) -> LabStyle | None:
        """Draw the style of a target image, or none."""
        if np.random.rand() >= self.prob:
            return None
        return self.styles[np.random.randint(len(self.styles))]

    def transform(self, results: dict) -> dict:
        """Translate the image."""
        image = results['img']
        if image.dtype != np.uint8 or image.shape[2:] != (3,):
            raise ConfigError(
                f'LabTranslation needs (H, W, 3) images of 8 bit, got '
                f'{image.shape} of {image.dtype}; put it after LoadImage'
            )
        style = self.draw_style()
        if style is not None:
            results['img'] = in_style(image, style)
        return results

    def __repr__(self) -> str:
        return (
            f'LabTranslation(statistics={self.statistics!r}, prob={self.prob})'
        )
