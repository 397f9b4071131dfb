# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Samples as they are on disk, read by the loaders of their pipeline."""

from bisect import bisect_right
from typing import NamedTuple

from mmcv.transforms import BaseTransform

from mmuda.datasets.domain_dataset import iter_transforms
from mmuda.datasets.labels.label_content import LabelFacts, read_with_facts
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.loading import LoadImage, LoadLabels
from mmuda.utils.errors import DataError


class Reading(NamedTuple):
    """What came of reading a sample.

    Attributes:
        shape: Height and width of the image; None if it can't be read.
        facts: Of its label; None without one, or if it can't be read.
        fault: Why it can't be used; None if it can.
    """

    shape: tuple[int, int] | None
    facts: LabelFacts | None
    fault: str | None


def load_raw(dataset: SegmentationDataset, index: int) -> dict:
    """Read image and label of a sample as they are on disk.

    Of the data set's own pipeline only the options of ``LoadImage`` and
    ``LoadLabels`` count. Labels are read if the data set names them and has a
    table.

    Returns:
        The sample with ``img`` and, if there are labels, ``gt_seg_map``.

    Raises:
        DataError: If a file is missing, damaged or inconsistent.
    """
    part = _part_of(dataset, index)
    sample = _step(part, LoadImage)(dataset.get_data_info(index))
    if _is_labelled(sample):
        sample = _step(part, LoadLabels)(sample)
    return sample


def read_sample(leaf: SegmentationDataset, index: int) -> Reading:
    """Read a sample as :func:`load_raw` does, and look at its label.

    Args:
        leaf: A data set without wrappers.
        index: Of the sample.
    """
    shape = facts = None
    try:
        sample = _step(leaf, LoadImage)(leaf.get_data_info(index))
        shape = sample['img_shape']
        if _is_labelled(sample):
            palette = leaf.metainfo.get('palette')
            ids, facts = read_with_facts(sample, palette)
            _step(leaf, LoadLabels).place(ids, sample)
    except DataError as error:
        return Reading(shape, facts, str(error))
    return Reading(shape, facts, None)


def read_label_facts(
    leaf: SegmentationDataset, index: int
) -> LabelFacts | None:
    """Look at a label alone; None if it can't be read."""
    try:
        info = leaf.get_data_info(index)
        return read_with_facts(info, leaf.metainfo.get('palette'))[1]
    except DataError:
        return None


def _is_labelled(sample: dict) -> bool:
    return 'seg_map_path' in sample and 'label_lut' in sample


def _step(
    part: SegmentationDataset, kind: type[BaseTransform]
) -> BaseTransform:
    """Return the loader of a pipeline, or one without options."""
    steps = (step for step in iter_transforms(part) if isinstance(step, kind))
    return next(steps, None) or kind()


def _part_of(dataset: SegmentationDataset, index: int) -> SegmentationDataset:
    """Return the data set inside wrappers that a sample comes from."""
    while True:
        if hasattr(dataset, 'cumulative_sizes') and hasattr(
            dataset, 'datasets'
        ):
            ends = dataset.cumulative_sizes
            part = bisect_right(ends, index)
            index -= ends[part - 1] if part else 0
            dataset = dataset.datasets[part]
        elif hasattr(dataset, 'dataset'):
            dataset = dataset.dataset
            index %= len(dataset)
        else:
            return dataset
