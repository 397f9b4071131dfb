# Copyright (c) mmuda authors.
"""Images of a labelled target that an evaluation would judge, too."""

import os
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from mmuda.datasets.domain_dataset import DomainDataset
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.names import LABELLED_TARGET


def learned_and_evaluated(
    training: object, evaluated: Mapping[str, SegmentationDataset]
) -> Iterator[str]:
    """Tell which evaluations judge images whose labels are learned.

    Args:
        training: The data set of a training.
        evaluated: Those of validation and test by name.

    Yields:
        A sentence for each that has images of the labelled target.
    """
    if not has_labelled_target(training):
        return
    learned = _paths(training.domains[LABELLED_TARGET])
    for name, dataset in evaluated.items():
        both = sorted(learned & _paths(dataset))
        if both:
            yield (
                f'{len(both)} images of {name} are learned with their labels, '
                f'as they are in {LABELLED_TARGET!r}, too: what is measured '
                'there says little about others. Leave them out of one of '
                f'the two (exclude, ann_file); the first is {both[0]!r}'
            )


def has_labelled_target(training: object) -> TypeGuard[DomainDataset]:
    """Whether a training learns labels of a target.

    Args:
        training: Its data set.
    """
    return (
        isinstance(training, DomainDataset)
        and LABELLED_TARGET in training.domains
    )


def _paths(dataset: SegmentationDataset) -> set[str]:
    return {
        os.path.realpath(dataset.get_data_info(index)['img_path'])
        for index in range(len(dataset))
    }
