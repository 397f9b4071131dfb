# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Drawings of predictions that name their colours."""

from collections.abc import Sequence

import numpy as np
from mmengine.structures import PixelData
from mmseg.visualization import SegLocalVisualizer

from mmuda.registry import VISUALIZERS
from mmuda.utils.drawing import legend


@VISUALIZERS.register_module()
class LegendVisualizer(SegLocalVisualizer):
    """mmseg's visualizer with a legend below instead of names in the image.

    Names printed over the regions hide each other in street scenes. Arguments
    are those of ``SegLocalVisualizer``.
    """

    def _draw_sem_seg(
        self,
        image: np.ndarray,
        sem_seg: PixelData,
        classes: Sequence[str],
        palette: Sequence[Sequence[int]],
        *_,
        **__,
    ) -> np.ndarray:
        drawn = super()._draw_sem_seg(
            image, sem_seg, classes, palette, with_labels=False
        )
        return np.concatenate([drawn, legend(classes, palette, len(image[0]))])
