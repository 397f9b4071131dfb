# Copyright (c) mmuda authors.
"""What data sets have in common, and refusing those that don't fit."""

from collections.abc import Mapping
from typing import Any, Protocol

from mmuda.utils.errors import ConfigError


class SegmentationDataset(Protocol):
    """The images of a domain: a data set, or several joined or wrapped.

    All of mmengine's ``BaseDataset``, its ``ConcatDataset`` and its wrappers
    are such, but not a ``DomainDataset``, which holds one for each domain.
    """

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes, palette and ``label_set``, where they are known."""

    def full_init(self) -> None:
        """List the files, if that was not yet done."""

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what is known of a sample before it is loaded."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Load a sample."""

    def __len__(self) -> int:
        """Number of samples."""


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
