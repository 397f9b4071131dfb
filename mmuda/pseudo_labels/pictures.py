# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Drawing what was labelled, how surely, and what was kept."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from mmuda.utils.drawing import colourise, heat_map, legend, panel
from mmuda.utils.files import atomic_path

from .scores import Score


@dataclass(frozen=True)
class Pictures:
    """Draws some images of a data set, spread over it.

    Attributes:
        folder: Where to write ``<key>.png``; None draws nothing.
        count: How many images.
        dataset: The images.
    """

    folder: Path | None
    count: int
    dataset: Dataset

    @cached_property
    def _indices(self) -> set[int]:
        if self.folder is None:
            return set()
        total = len(self.dataset)
        spread = np.linspace(0, total - 1, min(self.count, total))
        return set(spread.astype(int).tolist())

    def wanted(self, index: int) -> bool:
        """Whether an image is among those to draw."""
        return index in self._indices

    def draw(
        self,
        index: int,
        key: str,
        label: np.ndarray,
        scores: np.ndarray,
        selected: np.ndarray,
        score: Score,
    ) -> None:
        """Draw image, prediction, scores and kept labels.

        Args:
            index: Of the image in the data set.
            key: Of the image.
            label: (H, W) predicted classes.
            scores: (H, W) in [0, 1].
            selected: (H, W) classes, 255 where rejected.
            score: What the scores are.
        """
        palette = self.dataset.metainfo['palette']
        # as the network saw it, cropped and resized
        sample = self.dataset[index]
        inputs = sample['inputs'].numpy().transpose(1, 2, 0)
        padding = sample['data_samples'].get('padding_size', (0, 0, 0, 0))
        left, right, top, bottom = padding
        height, width = inputs.shape[:2]
        inputs = inputs[top : height - bottom, left : width - right]
        size = label.shape[::-1]
        image = cv2.resize(inputs, size, interpolation=cv2.INTER_AREA)
        picture = panel(
            {
                'image': image[..., ::-1],
                'prediction': colourise(label, palette),
                f'{score} (bright = high)': heat_map(scores),
                'kept pseudo-label': colourise(selected, palette),
            }
        )
        classes = self.dataset.metainfo['classes']
        names = legend(classes, palette, picture.shape[1])
        with atomic_path(self.folder / f'{key}.png') as temporary:
            whole = np.concatenate([picture, names])
            Image.fromarray(whole).save(temporary)
