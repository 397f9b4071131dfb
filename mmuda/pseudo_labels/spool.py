# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Labels and scores on disk, until the thresholds are known."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_path, atomic_write

FOLDER = '.spool'
JOB = 'job.json'
# Not compressed: that takes as long as a forward pass of a small network.
PIXEL = np.dtype([('label', 'u1'), ('score', '<u2')])


class Spool:
    """A folder with the labels and score bins of all images.

    A long job that was stopped continues from it. Memory holds the few images
    only that wait to be written.

    Args:
        root: Folder of the pseudo-labels; the spool is a folder in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER

    def prepare(self, job: dict) -> bool:
        """Make the folder, or keep what an interrupted job left in it.

        Args:
            job: All that labels and scores depend on; what another job left
                is removed.

        Returns:
            Whether there is something to continue.
        """
        file = self.folder / JOB
        text = json.dumps(job, indent=2, sort_keys=True)
        if file.is_file() and file.read_bytes() == text.encode():
            return True
        self.remove()
        atomic_write(file, text)
        return False

    def has(self, key: str) -> bool:
        """Whether label and scores of an image are complete."""
        return self._file(key).is_file()

    def write(self, key: str, label: np.ndarray, score: np.ndarray) -> None:
        """Write an image's labels (H, W) uint8 and score bins uint16."""
        pixels = np.empty(label.shape, dtype=PIXEL)
        pixels['label'], pixels['score'] = label, score
        # Truncating a file, as 'wb' would, makes ext4 wait for the disk.
        with (
            atomic_path(self._file(key)) as temporary,
            temporary.open('r+b') as file,
        ):
            np.save(file, pixels)

    def read(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Read labels and score bins of an image.

        Raises:
            DataError: The file is damaged.
        """
        try:
            pixels = np.load(self._file(key))
            return pixels['label'].copy(), pixels['score'].copy()
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise DataError(
                f'cannot read {str(self._file(key))!r}; remove the folder '
                f'{str(self.folder)!r} to start anew'
            ) from error

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, key: str) -> Path:
        return self.folder / f'{key}.npy'


def encode_png(array: np.ndarray) -> bytes:
    """Compress labels (H, W) uint8 without loss, quickly."""
    # Level 1 takes a quarter of the time of the default.
    done, data = cv2.imencode('.png', array, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise DataError(f'cannot encode a PNG of shape {array.shape}')
    return data.tobytes()
