# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Drawings of predictions that name their colours."""

from collections.abc import Sequence

import numpy as np
from mmengine.structures import PixelData
from mmseg.models.utils import resize
from mmseg.visualization import SegLocalVisualizer

from mmuda.registry import VISUALIZERS
from mmuda.utils.drawing import legend


@VISUALIZERS.register_module()
class LegendVisualizer(SegLocalVisualizer):
    """mmseg's visualizer with a legend below instead of names in the image.

    Names printed over the regions hide each other in street scenes. Labels
    and predictions of another size than the image, as of the published
    protocols, are fitted to it. Arguments are those of
    ``SegLocalVisualizer``.
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
        labels = sem_seg.data.cpu()
        if labels.shape[-2:] != image.shape[:2]:
            fitted = resize(
                labels[None].float(), image.shape[:2], mode='nearest'
            )
            labels = fitted[0].to(labels.dtype)
        drawn = super()._draw_sem_seg(
            image,
            PixelData(data=labels),
            classes,
            palette,
            with_labels=False,
        )
        return np.concatenate([drawn, legend(classes, palette, len(image[0]))])
