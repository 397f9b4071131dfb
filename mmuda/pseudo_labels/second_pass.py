# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The second pass: rejecting labels that are not sure enough."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from mmuda.datasets.label_maps import IGNORE_ID
from mmuda.datasets.pseudo_label_store import label_path
from mmuda.utils.files import atomic_write
from mmuda.utils.threads import BoundedThreads

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
    """

    rule: SelectionRule
    thresholds: np.ndarray
    spool: Spool
    options: PseudoLabelOptions
    report: Report

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
        # In the spool, a killed process leaves nothing among the labels.
        atomic_write(
            label_path(self.spool.root, key),
            encode_png(selected),
            self.spool.folder,
        )
        if pictures.wanted(index):
            scores = score / self.options.bins
            pictures.draw(index, key, label, scores, selected, self.rule.score)
        return np.bincount(label[keep], minlength=len(self.thresholds))
