# Copyright (c) mmuda authors.
"""Drawings of predictions that name their colours."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.structures import PixelData
from mmengine.visualization import LocalVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from mmuda.registry import VISBACKENDS, VISUALIZERS
from mmuda.utils.drawing import legend
from mmuda.utils.files import atomic_path


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


@VISBACKENDS.register_module(name='LocalVisBackend')
class WholeFilesVisBackend(LocalVisBackend):
    """mmengine's backend of local files on a disk that may be full.

    It takes the place of ``LocalVisBackend`` in configs. Pictures and the
    config are written whole or not at all, and of scalars whole lines.
    Arguments are those of ``LocalVisBackend``.
    """

    @force_init_env
    def add_config(self, config: Config, **kwargs) -> None:
        """Write the config."""
        with atomic_path(self._config_save_file) as temporary:
            config.dump(temporary)

    @force_init_env
    def add_image(
        self, name: str, image: np.ndarray, step: int = 0, **kwargs
    ) -> None:
        """Write a picture.

        Args:
            name: Of the picture.
            image: (H, W, 3) RGB, uint8.
            step: Is part of the file's name.
            **kwargs: Not used.
        """
        path = Path(self._img_save_dir, f'{name}_{step}.png')
        with atomic_path(path) as temporary:
            Image.fromarray(image).save(temporary)

    def _dump(
        self, value_dict: dict, file_path: str, file_format: str
    ) -> None:
        size = os.path.getsize(file_path) if os.path.exists(file_path) else 0
        try:
            super()._dump(value_dict, file_path, file_format)
        except OSError:
            with suppress(OSError):
                os.truncate(file_path, size)
            raise
