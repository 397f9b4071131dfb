# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Refusing data sets whose classes do not belong together."""

from collections.abc import Mapping

from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.errors import ConfigError


def require_same_classes(datasets: Mapping[str, SegmentationDataset]) -> None:
    """Refuse domains that differ in their classes or label sets.

    Args:
        datasets: Data sets by the name of the domain.

    Raises:
        ConfigError: They differ.
    """
    (first, reference), *others = (
        (name, tuple(dataset.metainfo['classes']))
        for name, dataset in datasets.items()
    )
    for name, classes in others:
        if classes != reference:
            raise ConfigError(
                f'domains {first!r} and {name!r} have different classes; set '
                f'the same label_set for all: {first} has {len(reference)} '
                f'{reference}, {name} has {len(classes)} {classes}'
            )
    require_same_label_set(datasets)


def require_same_label_set(
    datasets: Mapping[str, SegmentationDataset],
) -> None:
    """Refuse label sets that differ, also where their classes are named alike.

    ``seven_class`` and ``seven_class_consistent`` have the same names for
    other labels. Data sets with classes of their own are left out.

    Args:
        datasets: Data sets by the name that the message calls them.

    Raises:
        ConfigError: They differ.
    """
    known = {
        name: dataset.metainfo['label_set']
        for name, dataset in datasets.items()
        if 'label_set' in dataset.metainfo
    }
    for name, label_set in known.items():
        first, reference = next(iter(known.items()))
        if label_set != reference:
            raise ConfigError(
                f'{first!r} has label_set={reference!r}, but {name!r} has '
                f'label_set={label_set!r}: the same classes would mean other '
                'labels; set the same label_set for all'
            )
