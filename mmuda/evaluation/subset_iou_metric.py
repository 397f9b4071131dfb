# Copyright (c) mmuda authors.
"""IoU of each class, means over subsets of them, and by groups of images."""

import os
from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.evaluation import IoUMetric
from prettytable import PrettyTable
from torch import Tensor

from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.tool_commands import tool_command

from .image_groups import ALL, GroupBy, ImageGroups
from .pixel_counts import count_pairs

_RESERVED = ('aAcc', 'mIoU', 'mAcc')

# Pixels of each class in the intersection, the union, the prediction and the
# label, (K,) each.
Areas = tuple[Tensor, ...]


@METRICS.register_module()
class DomainIoUMetric(IoUMetric):
    """mmseg's IoU, with the value of each class and means over subsets.

    One confusion of the whole set is evaluated, as in ADVENT. Values are in
    percent, rounded to two digits. A class that occurs neither in the labels
    nor in the predictions is NaN and left out of the means, and so is one
    that the label files can't hold (``unlabelled_classes`` of the data set).

    Args:
        subsets: Names of classes by the name of their mean. SYNTHIA is
            reported on 16 classes and on 13 (without wall, fence, pole):
            ``dict(mIoU13=[...])``.
        group_by: Names groups of images by their keys, see ``ImageGroups``:
            a regular expression, the level of a folder, names by key or
            pattern, or a JSON file with them. ACDC is reported by condition:
            ``'[^/]+'``. Each group is evaluated as the whole set is, and
            gives ``mIoU.<group>``.
        **kwargs: As of mmseg's ``IoUMetric``.

    Raises:
        ConfigError: A subset is empty, named as one of mmseg's values, or
            holds a name that is no class; or ``group_by`` is no rule.
    """

    def __init__(
        self,
        subsets: Mapping[str, Sequence[str]] | None = None,
        group_by: GroupBy | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.group_by = None if group_by is None else ImageGroups(group_by)
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
            ConfigError: Samples have no key to group them by.
            DataError: ``output_dir`` would get two files of one name, or a
                key has no group.
        """
        for sample in data_samples if self.output_dir else ():
            path = sample['img_path']
            name = os.path.splitext(os.path.basename(path))[0]
            if self._written.setdefault(name, path) != path:
                raise DataError(
                    f"evaluator.output_dir: '{name}.png' would be the "
                    f"prediction of '{self._written[name]}' and of '{path}'; "
                    f'{tool_command("test.py", "CONFIG", "CHECKPOINT")} --out '
                    'DIR names files by their folders, too'
                )
        before = len(self.results)
        super().process(data_batch, data_samples)
        if self.group_by is not None and not self.format_only:
            areas = self.results[before:]
            groups = [self.group_by.of(s) for s in data_samples]
            self.results[before:] = zip(areas, groups, strict=True)
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

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate all images together, and groups of them.

        Args:
            results: For each image its ``Areas``; with ``group_by`` pairs of
                them and the name of a group.

        Returns:
            mmseg's values, ``IoU.<class>`` and the mean of each subset; these
            means and ``mIoU`` of each group, as ``mIoU.<group>``.
        """
        if self.format_only:
            return {}
        groups: dict[str, list[Areas]] = {}
        if self.group_by is not None:
            for areas, group in results:
                groups.setdefault(group, []).append(self._counted(areas))
            results = [areas for areas, _ in results]
        images = [self._counted(areas) for areas in results]
        metrics = super().compute_metrics(images) | self._values_of(images)
        if groups:
            rows = {
                name: self._row_of(groups[name]) for name in sorted(groups)
            }
            counts = {name: len(groups[name]) for name in rows}
            rows[ALL], counts[ALL] = self._row_of(images), len(images)
            print_log(group_tables(rows, counts, self._means), 'current')
            for name in sorted(groups):
                for mean in ('mIoU', *self.subsets):
                    metrics[f'{mean}.{name}'] = rows[name][mean]
        return metrics

    def _counted(self, areas: Areas) -> Areas:
        """In doubles, without predictions that no label can confirm."""
        meta = self.dataset_meta or {}
        absent = [
            list(meta['classes']).index(name)
            for name in meta.get('unlabelled_classes', ())
        ]
        # Sums over a data set exceed the whole numbers that float32 holds.
        counted = tuple(area.double() for area in areas)
        for area in counted:
            area[absent] = 0
        return counted

    @property
    def _means(self) -> tuple[str, ...]:
        """Values of a group, beside those of classes."""
        return 'mIoU', *self.subsets, 'mAcc', 'aAcc'

    def _row_of(self, images: Sequence[Areas]) -> dict[str, float]:
        """As what mmseg gives for all images, of some."""
        found = self.total_area_to_metrics(
            *_total(images), ['mIoU'], self.nan_to_num
        )
        values = {
            name: round(float(np.nanmean(value)) * 100, 2)
            for name, value in found.items()
        }
        return {
            'aAcc': values['aAcc'],
            'mIoU': values['IoU'],
            'mAcc': values['Acc'],
            **self._values_of(images),
        }

    def _values_of(self, images: Sequence[Areas]) -> dict[str, float]:
        """IoU of each class and the mean of each subset."""
        intersection, union, *_ = _total(images)
        values = (100 * intersection / union).numpy()
        assert self.dataset_meta is not None, 'set when the loop is built'
        iou = dict(zip(self.dataset_meta['classes'], values, strict=True))
        found = {f'IoU.{k}': round(float(v), 2) for k, v in iou.items()}
        for name, subset in self.subsets.items():
            mean = np.nanmean([iou[class_name] for class_name in subset])
            found[name] = round(float(mean), 2)
        return found


def group_tables(
    rows: Mapping[str, Mapping[str, float]],
    counts: Mapping[str, int],
    means: Sequence[str],
) -> str:
    """Lay out a row for each group, and the IoU of each class below.

    Args:
        rows: Values by name, of each group, in percent.
        counts: Images of each group.
        means: Names of the columns of the first table.

    Returns:
        Both tables.
    """
    table = PrettyTable(['group', 'images', *means], align='r')
    for name, values in rows.items():
        shown = (f'{values[mean]:.2f}' for mean in means)
        table.add_row([name, counts[name], *shown])
    classes = PrettyTable(['IoU', *rows], align='r')
    for key in next(iter(rows.values())):
        if key.startswith('IoU.'):
            shown = (f'{values[key]:.2f}' for values in rows.values())
            classes.add_row([key.removeprefix('IoU.'), *shown])
    for part, first in ((table, 'group'), (classes, 'IoU')):
        part.align[first] = 'l'
    return f'Results by group:\n{table.get_string()}\n{classes.get_string()}'


def _total(images: Sequence[Areas]) -> Areas:
    return tuple(
        reduce(torch.add, (areas[i] for areas in images))
        for i in range(len(images[0]))
    )
