# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Drawings of predictions that name their colours."""

from collections.abc import Sequence

import numpy as np
from mmengine.structures import PixelData
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
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

    def draw_sample(
        self, image: np.ndarray, sample: SegDataSample
    ) -> np.ndarray:
        """Draw the label, if there is one, and the prediction beside it.

        Args:
            image: (H, W, 3) RGB.
            sample: With ``pred_sem_seg`` and perhaps ``gt_sem_seg``.

        Returns:
            (H', W', 3) picture with a legend below.
        """
        classes, palette = (
            self.dataset_meta[key] for key in ('classes', 'palette')
        )
        drawn = [
            self._draw_sem_seg(image, sample.get(field), classes, palette)
            for field in ('gt_sem_seg', 'pred_sem_seg')
            if field in sample
        ]
        return np.concatenate(drawn, axis=1)

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
