# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The second pass: rejecting labels that are not sure enough."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmuda.datasets.label_maps import IGNORE_ID
from mmuda.datasets.pseudo_label_store import label_path
from mmuda.utils.files import atomic_write

from .options import PseudoLabelOptions
from .pictures import Pictures
from .rules import SelectionRule
from .spool import Spool, encode_png

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Selection:
    """Reads the spool and writes the pseudo-labels.

    Attributes:
        rule: The selection rule.
        thresholds: (C,) numbers of bins.
        spool: Where labels and score bins are.
        options: How labels are made.
        report: Called with the part of the work, images done and all images.
    """

    rule: SelectionRule
    thresholds: Tensor
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

        def select(index: int) -> np.ndarray:
            return self._select(index, keys[index], pictures)

        with ThreadPoolExecutor(self.options.write_threads) as executor:
            for done, part in enumerate(executor.map(select, indices), 1):
                kept += part
                self.report('selecting', done, len(indices))
        return torch.from_numpy(kept)

    def _select(self, index: int, key: str, pictures: Pictures) -> np.ndarray:
        label, score = self.spool.read(key)
        keep = self.rule.keep(
            torch.from_numpy(label),
            torch.from_numpy(score.astype(np.int32)),
            self.thresholds,
        ).numpy()
        selected = np.where(keep, label, IGNORE_ID).astype(np.uint8)
        atomic_write(label_path(self.spool.root, key), encode_png(selected))
        if pictures.wanted(index):
            scores = score / self.options.bins
            pictures.draw(index, key, label, scores, selected, self.rule.score)
        return np.bincount(label[keep], minlength=len(self.thresholds))
