# Copyright (c) mmuda authors.
"""Telling labels that are not there from labels that are elsewhere."""

import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmuda.datasets.sets.data_roots import is_domain_seg_dataset
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.registry import DATASETS
from mmuda.utils.config_data import dataset_leaves


def missing_labels(config: Mapping) -> str | None:
    """Tell why a data set can't be compared with labels.

    Args:
        config: Config of a data set, or of several as one.

    Returns:
        A clause for a message; None if there are labels, be it of one of
        several, or a data set is none of ours.

    Raises:
        ConfigError: The data set knows where its labels are instead.
        DataError: The images are missing, too.
    """
    reasons = [_reason(leaf) for leaf in dataset_leaves(config)]
    found = [reason for reason in reasons if reason is not None]
    if not found or len(found) < len(reasons):
        return None
    return ' and '.join(dict.fromkeys(found))


def _reason(config: Mapping) -> str | None:
    """As :func:`missing_labels` of a single data set."""
    if not is_domain_seg_dataset(config):
        return None
    if not _planned(config).has_labels:
        return 'the data set names no labels (data_prefix.seg_map_path)'
    folder = folder_without_labels(config)
    return None if folder is None else f"there are no labels in '{folder}'"


def folder_without_labels(config: Mapping) -> str | None:
    """Tell whether a data set can't be built for want of its labels alone.

    Targets are trained without labels, so those of validation may be missing
    as a whole. If some of the labels are there, the data is incomplete.

    Args:
        config: Config of a data set.

    Returns:
        The folder of the labels if no label file is there; None if there is
        one, or the data set is none of ours or not asked for labels.

    Raises:
        ConfigError: The data set knows where its labels are instead.
        DataError: The images are missing, too.
    """
    if not is_domain_seg_dataset(config):
        return None
    planned = _planned(config)
    folder = planned.data_prefix.get('seg_map_path')
    if folder is None or planned.label_files.keys(planned.seg_map_suffix):
        return None
    _build_unlabelled(config)
    return folder


def labels_elsewhere(config: Mapping) -> str:
    """Look for what was meant by a label path without any label.

    Args:
        config: Config of a data set, or of several as one, of which
            ``missing_labels`` is not None.

    Returns:
        A clause for a message, beginning with ``; ``: that the folder holds
        other files, or where below the first folder above it that exists
        the label of the first image is. Empty if neither is found.
    """
    hints = map(_hint, dataset_leaves(config))
    return next(filter(None, hints), '')


def _hint(config: Mapping) -> str:
    """As :func:`labels_elsewhere` of a single data set."""
    planned = _planned(config)
    folder = planned.data_prefix.get('seg_map_path')
    if folder is None:
        return ''
    suffix = planned.seg_map_suffix
    others = sorted(planned.label_files.keys(''))
    if others:
        return (
            f'; there is {others[0]!r}, which does not end in {suffix!r}: '
            'seg_map_suffix may be wrong'
        )
    label = _build_unlabelled(config).get_data_info(0)['key'] + suffix
    images = Path(planned.data_prefix['img_path'])
    for other in _alternatives(Path(folder)):
        if other != images and os.path.isfile(other / label):
            return (
                f"; there is '{other / label}': data_prefix.seg_map_path may "
                'be wrong'
            )
    return ''


def unlabelled(config: Mapping) -> dict:
    """Config of the same images without labels and pipeline."""
    whole = copy.deepcopy(dict(config))
    for leaf in dataset_leaves(whole):
        prefix = dict(leaf.get('data_prefix') or {}, seg_map_path=None)
        leaf |= dict(data_prefix=prefix, pipeline=[])
    return whole


def _planned(config: Mapping) -> DomainSegDataset:
    """Build a data set without looking for its files."""
    return DATASETS.build(dict(config, pipeline=[], lazy_init=True))


def _build_unlabelled(config: Mapping) -> DomainSegDataset:
    return DATASETS.build(unlabelled(config))


def _alternatives(folder: Path) -> Iterator[Path]:
    """Yield folders with a name other than what is missing of a path.

    Of ``gtFin/val`` they are ``.``, ``gtFine/val`` and ``gtFine``.
    """
    rest, parent = [folder.name], folder.parent
    while not os.path.isdir(parent) and parent != parent.parent:
        rest.insert(0, parent.name)
        parent = parent.parent
    if not os.access(parent, os.R_OK):
        return
    yield parent
    for name in sorted(os.listdir(parent)):
        other = parent / name
        if other != folder and os.path.isdir(other):
            yield other.joinpath(*rest[1:])
            if rest[1:]:
                yield other
