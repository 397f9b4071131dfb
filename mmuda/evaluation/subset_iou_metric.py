# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""IoU of each class and means over subsets of the classes."""

import os
from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from torch import Tensor

from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError, DataError

from .pixel_counts import count_pairs

_RESERVED = ('aAcc', 'mIoU', 'mAcc')


@METRICS.register_module()
class DomainIoUMetric(IoUMetric):
    """mmseg's IoU, with the value of each class and means over subsets.

    One confusion of the whole set is evaluated, as in ADVENT. Values are in
    percent, rounded to two digits. A class that occurs neither in the labels
    nor in the predictions is NaN and left out of the means.

    Args:
        subsets: Names of classes by the name of their mean. SYNTHIA is
            reported on 16 classes and on 13 (without wall, fence, pole):
            ``dict(mIoU13=[...])``.
        **kwargs: As of mmseg's ``IoUMetric``.

    Raises:
        ConfigError: A subset is empty, named as one of mmseg's values, or
            holds a name that is no class.
    """

    def __init__(
        self, subsets: Mapping[str, Sequence[str]] | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self._written: dict[str, str] = {}
        self.subsets = dict(subsets or {})
        for name, classes in self.subsets.items():
            if name in _RESERVED or not classes:
                raise ConfigError(
                    f'evaluator.subsets.{name}: choose another name than '
                    f'{", ".join(_RESERVED)} and at least one class'
                )

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch, see mmseg's ``IoUMetric``.

        Args:
            data_batch: Not used.
            data_samples: Predictions with ``pred_sem_seg`` and, unless
                ``format_only``, ``gt_sem_seg``.

        Raises:
            DataError: ``output_dir`` would get two files of one name.
        """
        for sample in data_samples if self.output_dir else ():
            path = sample['img_path']
            name = os.path.splitext(os.path.basename(path))[0]
            if self._written.setdefault(name, path) != path:
                raise DataError(
                    f"evaluator.output_dir: '{name}.png' would be the "
                    f"prediction of '{self._written[name]}' and of '{path}'; "
                    'use tools/test.py --out, which names files by their '
                    'folders, too'
                )
        super().process(data_batch, data_samples)
        if self.format_only:
            # mmengine takes no results for a mistake.
            self.results.extend([()] * len(data_samples))

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor,
        label: Tensor,
        num_classes: int,
        ignore_index: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Count the pixels of an image by class, without loss.

        mmseg counts in single precision, which stops at 16.8 million.

        Args:
            pred_label: (H, W) predicted classes.
            label: (H, W) true classes.
            num_classes: Number of classes K.
            ignore_index: Of pixels that do not count.

        Returns:
            Pixels of each class, (K,) float64 on the CPU, in the
            intersection, the union, the prediction and the label.
        """
        counts = count_pairs(label, pred_label, num_classes, ignore_index)
        counts = counts.cpu().double()
        intersection = counts.diagonal()[:-1]
        predicted, true = counts.sum(dim=0)[:-1], counts.sum(dim=1)[:-1]
        union = predicted + true - intersection
        return intersection, union, predicted, true

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; needs ``classes``."""
        return self._dataset_meta

    # Set when the loop is built, so that a misspelt class is found then and
    # not after hours of training.
    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        for name, subset in self.subsets.items():
            unknown = set(subset) - set(dataset_meta['classes'])
            if unknown:
                raise ConfigError(
                    f'evaluator.subsets.{name}: {sorted(unknown)} are not '
                    f'among the classes {tuple(dataset_meta["classes"])}'
                )
        self._dataset_meta = dataset_meta

    def compute_metrics(
        self, results: list[tuple[Tensor, ...]]
    ) -> dict[str, float]:
        """Evaluate all images together.

        Args:
            results: For each image the pixels of each class, (K,), in the
                intersection, the union, the prediction and the label.

        Returns:
            mmseg's values, ``IoU.<class>`` and the mean of each subset.
        """
        if self.format_only:
            return {}
        # Sums over a data set exceed the whole numbers that float32 holds.
        results = [tuple(area.double() for area in areas) for areas in results]
        metrics = super().compute_metrics(results)
        intersection, union = (
            reduce(torch.add, (areas[i] for areas in results)) for i in (0, 1)
        )
        values = (100 * intersection / union).numpy()
        assert self.dataset_meta is not None, 'set when the loop is built'
        iou = dict(zip(self.dataset_meta['classes'], values, strict=True))
        for name, value in iou.items():
            metrics[f'IoU.{name}'] = round(float(value), 2)
        for name, subset in self.subsets.items():
            mean = np.nanmean([iou[class_name] for class_name in subset])
            metrics[name] = round(float(mean), 2)
        return metrics
