# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Logs in files that are whole."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.visualization import LocalVisBackend
from mmengine.visualization.vis_backend import force_init_env
from PIL import Image

from mmuda.registry import VISBACKENDS
from mmuda.utils.files import atomic_path


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
