# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The second pass: rejecting labels that are not sure enough."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import torch
from torch import Tensor

from mmuda.datasets.image_io import decode_ids, read_bytes
from mmuda.datasets.label_maps import IGNORE_ID
from mmuda.datasets.pseudo_label_store import label_path
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.threads import BoundedThreads

from .image_statistics import count_image
from .options import PseudoLabelOptions
from .pictures import Pictures
from .selection_rule import SelectionRule
from .spool import Spool, encode_png

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
        done = 0

        def select(index: int) -> None:
            nonlocal done
            part = self._select(index, keys[index], pictures)
            with lock:
                kept[:] += part
                done += 1
                self.report('selecting', done, len(indices))

        lock = Lock()
        with BoundedThreads(self.options.threads) as writer:
            for index in indices:
                writer.submit(select, index)
        return torch.from_numpy(kept)

    def _select(self, index: int, key: str, pictures: Pictures) -> np.ndarray:
        label, score = self.spool.read(key)
        keep = self.rule.keep(label, score, self.thresholds)
        selected = np.where(keep, label, IGNORE_ID).astype(np.uint8)
        root, spool = self.spool.root, self.spool.folder
        # In the spool, a killed process leaves nothing among the labels.
        atomic_write(label_path(root, key), encode_png(selected), spool)
        if self.options.keep_scores:
            scores = encode_scores(np.where(keep, score, 0).astype(np.uint16))
            atomic_write(score_path(root, key), scores, spool)
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
