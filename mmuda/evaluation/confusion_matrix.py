# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Which classes are taken for which.

Rows are true classes, columns predicted ones; a last column counts the pixels
of a class that were rejected, that is, predicted as no class at all.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from prettytable import PrettyTable
from torch import Tensor

from mmuda.utils.errors import DataError
from mmuda.utils.files import (
    atomic_path,
    atomic_write,
)

from .confusion_picture import draw_confusion

REJECTED = 'rejected'


def count_confusion(
    truth: Tensor,
    prediction: Tensor,
    num_classes: int,
    ignore_index: int = 255,
) -> Tensor:
    """Count the pixels of an image by true and predicted class.

    Args:
        truth: (H, W) true classes, ``ignore_index`` where unknown.
        prediction: (H, W) predicted classes; from C on, 255 among them, they
            are rejected.
        num_classes: Number of classes C.
        ignore_index: Of pixels that do not count.

    Returns:
        (C, C + 1) int64, the last column for rejected pixels.

    Raises:
        DataError: The sizes differ, or a true class is not below C.
    """
    if truth.shape != prediction.shape:
        raise DataError(
            f'the label has {tuple(truth.shape)} pixels (height, width), the '
            f'prediction {tuple(prediction.shape)}'
        )
    known = truth != ignore_index
    truth = truth[known].long()
    if truth.numel() and int(truth.max()) >= num_classes:
        raise DataError(
            f'the label has the class {int(truth.max())}, but there are '
            f'{num_classes} classes'
        )
    prediction = prediction[known].long().clamp(max=num_classes)
    columns = num_classes + 1
    pairs = truth * columns + prediction
    counts = torch.bincount(pairs, minlength=num_classes * columns)
    return counts.view(num_classes, columns)


@dataclass(frozen=True)
class ConfusionMatrix:
    """Pixels by true and predicted class, and what follows from them.

    Values are in percent, and NaN where there is nothing to divide by: a
    class that is never predicted has no precision, one without a true pixel
    no recall.

    Attributes:
        classes: Names of the C classes.
        counts: (C, C + 1) pixels, rows true and columns predicted classes,
            the last column for rejected pixels.
    """

    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """(C,) right shares of the pixels predicted as a class."""
        return _percent(self._right, self.counts.sum(axis=0)[:-1])

    @property
    def recall(self) -> np.ndarray:
        """(C,) right shares of the true pixels of a class, rejected or not."""
        return _percent(self._right, self.counts.sum(axis=1))

    @property
    def iou(self) -> np.ndarray:
        """(C,) intersection over union; rejected pixels are misses."""
        predicted = self.counts.sum(axis=0)[:-1]
        union = predicted + self.counts.sum(axis=1) - self._right
        return _percent(self._right, union)

    @property
    def rejected(self) -> np.ndarray:
        """(C,) rejected shares of the true pixels of a class."""
        return _percent(self.counts[:, -1], self.counts.sum(axis=1))

    @property
    def _right(self) -> np.ndarray:
        return self.counts.diagonal()

    def table(self) -> str:
        """Lay out precision, recall, IoU and rejected share by class."""
        columns = {
            'precision': self.precision,
            'recall': self.recall,
            'IoU': self.iou,
            REJECTED: self.rejected,
        }
        table = PrettyTable(['class', *columns], align='r')
        table.align['class'] = 'l'
        for index, name in enumerate(self.classes):
            values = [column[index] for column in columns.values()]
            table.add_row([name, *map(_text, values)])
        means = [mean_of_known(column) for column in columns.values()]
        table.add_row(['mean', *map(_text, means)])
        return table.get_string()

    def csv_text(self) -> str:
        """Write the counts as text, with the names of rows and columns."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['truth / prediction', *self.classes, REJECTED])
        for name, row in zip(self.classes, self.counts.tolist(), strict=True):
            writer.writerow([name, *row])
        return text.getvalue()

    def save(self, folder: str | Path) -> None:
        """Write ``confusion_matrix.csv`` and ``confusion_matrix.png``.

        Args:
            folder: Where to; made if missing.

        Raises:
            DataError: The disk is full.
        """
        atomic_write(Path(folder, 'confusion_matrix.csv'), self.csv_text())
        columns = [*self.classes, REJECTED]
        shares = _percent(self.counts, self.counts.sum(axis=1, keepdims=True))
        if not self.counts[:, -1].any():
            columns, shares = columns[:-1], shares[:, :-1]
        figure = draw_confusion(shares, self.classes, columns)
        path = Path(folder, 'confusion_matrix.png')
        with atomic_path(path) as temporary:
            figure.savefig(temporary, bbox_inches='tight')


def mean_of_known(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore', divide='ignore'):
        return 100 * np.true_divide(part, whole)


def _text(value: float) -> str:
    return '-' if np.isnan(value) else f'{value:.2f}'
