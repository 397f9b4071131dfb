# Copyright (c) mmuda authors.
"""Scores on disk, and the second pass that rejects labels by them."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from mmuda.datasets.images.image_io import decode_ids, read_bytes
from mmuda.datasets.pseudo_labels.pseudo_label_store import label_path
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_path, atomic_write
from mmuda.utils.jobs import in_threads
from mmuda.utils.names import IGNORE_ID

from .image_statistics import count_image
from .labelling_options import PseudoLabelOptions
from .labelling_report import Pictures
from .rules import SelectionRule

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

    def write_sums(self, key: str, sums: np.ndarray) -> None:
        """Write what is summed of an image (M,), before its labels."""
        with (
            atomic_path(self._sums_file(key)) as temporary,
            temporary.open('r+b') as file,
        ):
            np.save(file, sums)

    def read_sums(self, key: str) -> np.ndarray | None:
        """Read what is summed of an image; None of one of an older mmuda.

        Raises:
            DataError: The file is damaged.
        """
        file = self._sums_file(key)
        return self._load(file) if file.is_file() else None

    def read(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Read labels and score bins of an image.

        Raises:
            DataError: The file is damaged.
        """
        pixels = self._load(self._file(key))
        try:
            return pixels['label'].copy(), pixels['score'].copy()
        except (ValueError, IndexError) as error:
            raise self._damaged(self._file(key)) from error

    def _load(self, file: Path) -> np.ndarray:
        try:
            return np.load(file)
        except (OSError, EOFError, ValueError) as error:
            raise self._damaged(file) from error

    def _damaged(self, file: Path) -> DataError:
        return DataError(
            f'cannot read {str(file)!r}; remove the folder '
            f'{str(self.folder)!r} to start anew'
        )

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, key: str) -> Path:
        return self.folder / f'{key}.npy'

    def _sums_file(self, key: str) -> Path:
        return self.folder / f'{key}.sums'


def encode_png(array: np.ndarray) -> bytes:
    """Compress labels (H, W) uint8 without loss, quickly."""
    # Level 1 takes a quarter of the time of the default.
    done, data = cv2.imencode('.png', array, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise DataError(f'cannot encode a PNG of shape {array.shape}')
    return data.tobytes()


Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Selection:
    """Reads the spool and writes the pseudo-labels.

    Attributes:
        rule: The selection rule.
        thresholds: (C,) numbers of bins, int64.
        spool: Where labels and score bins are.
        options: How labels are made.
        report: Called with the part of the work, images done and all images.
        table: Filled with a row of :func:`count_image` for each image; None
            if nobody asks for it.
    """

    rule: SelectionRule
    thresholds: np.ndarray
    spool: Spool
    options: PseudoLabelOptions
    report: Report
    table: np.ndarray | None = None

    def run(
        self, keys: Sequence[str], indices: Sequence[int], pictures: Pictures
    ) -> Tensor:
        """Write the labels of some images.

        Args:
            keys: Keys of all images.
            indices: Images to write.
            pictures: Draws some of them.

        Returns:
            Kept pixels of each class, (C,) int64.
        """
        kept = np.zeros(len(self.thresholds), dtype=np.int64)
        calls = ((index, keys[index], pictures) for index in indices)
        with in_threads(self._select, calls, self.options.threads) as parts:
            for done, part in enumerate(parts, 1):
                kept += part
                self.report('selecting', done, len(indices))
        return torch.from_numpy(kept)

    def _select(self, index: int, key: str, pictures: Pictures) -> np.ndarray:
        label, score = self.spool.read(key)
        keep = self.rule.keep(label, score, self.thresholds)
        selected = np.where(keep, label, IGNORE_ID).astype(np.uint8)
        root, spool = self.spool.root, self.spool.folder
        # In the spool, a killed process leaves nothing among the labels.
        atomic_write(label_path(root, key), encode_png(selected), spool)
        if self.options.keep_scores:
            kept = np.where(keep, score, 0).astype(np.uint16)
            atomic_write(score_path(root, key), encode_scores(kept), spool)
        if pictures.wanted(index):
            scores = score / self.options.bins
            pictures.draw(index, key, label, scores, selected, self.rule.score)
        classes = len(self.thresholds)
        if self.table is not None:
            self.table[index] = count_image(label, score, keep, classes)
        return np.bincount(label[keep], minlength=classes)


def score_path(root: str | os.PathLike, key: str) -> Path:
    """Path of the confidences of an image's kept pixels."""
    return Path(root, f'{key}.tif')


def encode_scores(scores: np.ndarray) -> bytes:
    """Compress score bins (H, W) uint16 without loss, quickly."""
    # LZW: a third of the time of a PNG of the same size.
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    done, data = cv2.imencode('.tif', scores, lzw)
    if not done:
        raise DataError(f'cannot encode a TIFF of shape {scores.shape}')
    return data.tobytes()


def read_scores(root: str | os.PathLike, key: str) -> np.ndarray:
    """Read the score bins of an image, (H, W) uint16, 0 where rejected.

    Raises:
        DataError: The file is missing or damaged.
    """
    path = score_path(root, key)
    if not path.is_file():
        raise DataError(
            f'{str(path)!r} does not exist; generate the pseudo-labels with '
            'pseudo_labels.keep_scores=True in the config'
        )
    try:
        scores = decode_ids(read_bytes(str(path)), str(path), None)
    except DataError:
        scores = None
    if scores is None or scores.dtype != np.uint16:
        raise DataError(
            f'{str(path)!r} is damaged; generate the pseudo-labels anew with '
            '--overwrite'
        )
    return scores
