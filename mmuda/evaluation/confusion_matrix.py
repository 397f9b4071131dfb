# Copyright (c) mmuda authors.
"""Which classes are taken for which.

Rows are true classes, columns predicted ones; a last column counts the pixels
of a class that were rejected, that is, predicted as no class at all.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from prettytable import PrettyTable
from torch import Tensor

from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import (
    atomic_path,
    atomic_write,
    require_writable_folder,
)
from mmuda.utils.names import IGNORE_ID

from .pixel_counts import count_pairs

REJECTED = 'rejected'


def count_confusion(
    truth: Tensor,
    prediction: Tensor,
    num_classes: int,
    ignore_index: int = IGNORE_ID,
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
    counts = count_pairs(truth, prediction, num_classes, ignore_index)
    if counts[num_classes].any():
        known = truth[truth != ignore_index]
        raise DataError(
            f'the label has the class {int(known.max())}, but there are '
            f'{num_classes} classes'
        )
    return counts[:num_classes]


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


_INCHES_PER_CELL = 0.45
_MARGIN = 2.5
# Above it the colour is so dark that black numbers can't be read.
_DARK = 50


def draw_confusion(
    shares: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Draw shares as coloured cells with their numbers.

    Args:
        shares: (R, K) percent of each row; a row of NaN, that of a class
            without pixels, stays empty.
        rows: Names of the R true classes.
        columns: Names of the K predicted classes.
    """
    width, height = (
        _MARGIN + _INCHES_PER_CELL * len(names) for names in (columns, rows)
    )
    figure = Figure(figsize=(width, height), layout='constrained', dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100)
    figure.colorbar(image, ax=axes, label='% of the true class', shrink=0.8)
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel='prediction', ylabel='truth')
    for (row, column), share in np.ndenumerate(shares):
        # Also leaves out NaN. What rounds to 0 would only hide the rest.
        if share >= 0.5:
            axes.text(
                *(column, row, f'{share:.0f}'),
                ha='center',
                va='center',
                fontsize='small',
                color='white' if share > _DARK else 'black',
            )
    return figure


@METRICS.register_module()
class ConfusionMatrixMetric(BaseMetric):
    """Confusion of a whole data set, as a table, a file and a picture.

    ``precision`` and ``recall`` are means over the classes that have one, in
    percent, rounded to two digits; the values of each class are logged.

    Args:
        out_dir: Folder for ``confusion_matrix.csv`` (pixels) and
            ``confusion_matrix.png`` (shares of each true class), which are
            replaced at every evaluation; None writes none.
        ignore_index: Value of labels that do not count.
        **kwargs: As of mmengine's ``BaseMetric``.

    Raises:
        ConfigError: The folder is not writable.
    """

    needed_outputs = ()

    def __init__(
        self,
        out_dir: str | None = None,
        ignore_index: int = IGNORE_ID,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if out_dir is not None:
            require_writable_folder(out_dir, 'evaluator.out_dir')
        self.out_dir = out_dir
        self.ignore_index = ignore_index

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions with ``pred_sem_seg`` and
                ``gt_sem_seg`` (1, H, W).

        Raises:
            ConfigError: There is no ground truth.
            DataError: Prediction and ground truth do not fit.
        """
        num_classes = len(self.dataset_meta['classes'])
        for sample in data_samples:
            prediction = sample['pred_sem_seg']['data'][0]
            if 'gt_sem_seg' not in sample:
                raise ConfigError(
                    'ConfusionMatrixMetric needs labels; put LoadLabels into '
                    'the pipeline of the data set, or remove the metric from '
                    'the evaluator'
                )
            truth = sample['gt_sem_seg']['data'][0].to(prediction.device)
            try:
                counts = count_confusion(
                    truth, prediction, num_classes, self.ignore_index
                )
            except DataError as error:
                raise DataError(f'{sample.get("img_path")!r}: {error}') from (
                    error
                )
            # For each image: of several processes some evaluate an image
            # twice, which is taken out when results are collected.
            self.results.append(counts.cpu())

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Add up the images, and write what was asked for.

        Args:
            results: (C, C + 1) pixels of each image.
        """
        classes = tuple(self.dataset_meta['classes'])
        matrix = ConfusionMatrix(classes, reduce(torch.add, results).numpy())
        print_log(f'confusion by class\n{matrix.table()}', logger='current')
        if self.out_dir is not None:
            matrix.save(self.out_dir)
        return {
            name: round(mean_of_known(getattr(matrix, name)), 2)
            for name in ('precision', 'recall')
        }
