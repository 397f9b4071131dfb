# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The part of all images that shows the ego vehicle."""

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from mmuda.datasets.image_io import read_image
from mmuda.datasets.label_maps import IGNORE_ID
from mmuda.utils.errors import ConfigError, DataError


class EgoMask:
    """Where labels are rejected, whatever the network thinks.

    The pixels do not count in thresholds either: in the published co-training
    code they do, which lowers the threshold of the class that the network
    takes the bonnet for.

    Args:
        path: Image whose pixels that are not 0 show the vehicle; None if no
            vehicle is seen.

    Raises:
        ConfigError: The file can't be read.
    """

    def __init__(self, path: str | None) -> None:
        self._mask = None
        self.digest = None
        if path is None:
            return
        if not Path(path).is_file():
            raise ConfigError(f'pseudo_labels.ego_mask: no file {path!r}')
        try:
            mask = read_image(path, 'grayscale')
        except DataError as error:
            raise ConfigError(f'pseudo_labels.ego_mask: {error}') from error
        self._mask = (mask > 0).astype(np.uint8)
        self.digest = hashlib.sha256(mask.tobytes()).hexdigest()
        self._resized = lru_cache(maxsize=8)(self._resize)

    def apply(self, labels: Tensor, coarse: Tensor | None) -> None:
        """Reject labels on the vehicle, in place.

        Args:
            labels: (N, H, W) uint8, set to 255 there.
            coarse: (N, C, h, w) probabilities, set to 0 there; or None.
        """
        if self._mask is None:
            return
        labels.masked_fill_(self._at(labels), IGNORE_ID)
        if coarse is not None:
            coarse.masked_fill_(self._at(coarse), 0)

    def _at(self, maps: Tensor) -> Tensor:
        """The mask (H, W) at the size and on the device of maps."""
        return self._resized(*maps.shape[-2:], maps.device)

    def _resize(self, height: int, width: int, device: torch.device) -> Tensor:
        resized = cv2.resize(
            self._mask, (width, height), interpolation=cv2.INTER_NEAREST
        )
        return torch.from_numpy(resized).bool().to(device)
