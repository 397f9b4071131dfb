# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The confusion matrix of a model on a data set."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import require_writable_folder

from .confusion_matrix import ConfusionMatrix, count_confusion, mean_of_known


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
        self, out_dir: str | None = None, ignore_index: int = 255, **kwargs
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
        matrix = ConfusionMatrix(classes, sum(results).numpy())
        print_log(f'confusion by class\n{matrix.table()}', logger='current')
        if self.out_dir is not None:
            matrix.save(self.out_dir)
        return {
            name: round(mean_of_known(getattr(matrix, name)), 2)
            for name in ('precision', 'recall')
        }
