# Copyright (c) mmuda authors.
"""Samples and label files as they are on disk, and whether one has changed."""

import hashlib
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmcv.transforms import BaseTransform

from mmuda.datasets.domain_dataset import iter_transforms
from mmuda.datasets.images.image_header import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    pixel_kind,
)
from mmuda.datasets.images.image_io import UNCHANGED, read_bytes
from mmuda.datasets.labels.label_content import LabelFacts, read_with_facts
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.image_loading import LoadImage, LoadLabels
from mmuda.utils.errors import ConfigError, DataError

_PNG_HEADER = 33


class Reading(NamedTuple):
    """What came of reading a sample.

    Attributes:
        shape: Of the image, (H, W, ...); None if it can't be read.
        facts: Of its label; None without one, or if it can't be read.
        fault: Why it can't be used; None if it can.
        lost: What its file has and the pipeline does not read.
    """

    shape: tuple[int, ...] | None
    facts: LabelFacts | None
    fault: str | None
    lost: str | None = None


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
    shape = facts = lost = None
    try:
        loader = _step(leaf, LoadImage)
        sample = loader(leaf.get_data_info(index))
        shape = sample['img'].shape
        lost = _lost(sample['img_path'], loader)
        if _is_labelled(sample):
            palette = leaf.metainfo.get('palette')
            ids, facts = read_with_facts(sample, palette)
            _step(leaf, LoadLabels).place(ids, sample)
    except DataError as error:
        return Reading(shape, facts, str(error))
    return Reading(shape, facts, None, lost)


def _lost(path: str, loader: BaseTransform) -> str | None:
    """Tell what of an image file three colours of 8 bits leave out."""
    if getattr(loader, 'color_type', UNCHANGED).startswith(UNCHANGED):
        return None
    with open(path, 'rb') as file:
        begin = file.read(_PNG_HEADER)
    if begin.startswith(JPEG_SIGNATURE):
        return None
    # The kind of any other file may stand anywhere in it.
    is_png = begin.startswith(PNG_SIGNATURE)
    kind = pixel_kind(begin if is_png else read_bytes(path), path)
    if kind.bits > 8:
        return f'{kind.bits} bits a channel, of which the upper 8'
    # The fourth of a PNG is transparency.
    is_more = kind.channels > 3 and not is_png
    return f'{kind.channels} channels, of which three' if is_more else None


def unlike_channels(
    leaf: SegmentationDataset, readings: Mapping[int, Reading]
) -> list[str]:
    """Tell of images that no one network takes; grey goes with any.

    Args:
        leaf: As of :func:`read_sample`.
        readings: By index.
    """
    first: dict[int, str] = {}
    for index, reading in readings.items():
        for channels in (reading.shape or ())[2:]:
            path = leaf.get_data_info(index)['img_path']
            first.setdefault(channels, f'{channels} ({path!r})')
    if len(first) < 2:
        return []
    return [
        f'images have {" and ".join(first.values())} channels; make them '
        'alike, or read three colours by LoadImage()'
    ]


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


# What the loaders need of a sample to read its label.
_READING = ('seg_map_path', 'label_lut', 'label_channel', 'label_reader')


@dataclass(frozen=True)
class LabelFile:
    """The label of an image.

    Attributes:
        key: Of the image.
        sample: What ``read_label_ids`` and ``map_ids`` need.
    """

    key: str
    sample: dict

    @property
    def path(self) -> str:
        """The file."""
        return self.sample['seg_map_path']

    def identity(self) -> bytes:
        """Return a digest of where the label is and how it is read."""
        words = os.path.abspath(self.path), self.sample.get('label_channel')
        digest = hashlib.sha256(repr(words).encode())
        digest.update(self.sample['label_lut'].tobytes())
        return digest.digest()

    def stamp(self, classes: Sequence[str]) -> str:
        """Return what changes whenever the counted pixels may have changed.

        Args:
            classes: Names of the classes.

        Returns:
            32 hexadecimal digits, made of the identity, the classes, and the
            file's size and time of change.

        Raises:
            DataError: The file is missing.
        """
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise DataError(
                f'cannot read {self.path!r}: {error.strerror}'
            ) from error
        words = tuple(classes), status.st_size, status.st_mtime_ns
        digest = hashlib.sha256(repr(words).encode())
        digest.update(self.identity())
        return digest.hexdigest()[:32]


def label_files(dataset: SegmentationDataset) -> list[LabelFile]:
    """List the labels of a data set.

    Args:
        dataset: A labelled data set, or a concatenation of several.

    Raises:
        ConfigError: An image has no label, or the data set is not ours.
    """
    return [
        _label_file(dataset.get_data_info(index))
        for index in range(len(dataset))
    ]


def _label_file(info: dict) -> LabelFile:
    if 'label_lut' not in info:
        raise ConfigError(
            f'{info.get("img_path")!r} is of a data set without a label '
            'table; use a data set of mmuda, such as FolderDataset'
        )
    if 'seg_map_path' not in info:
        raise ConfigError(
            f'{info["img_path"]!r} is of a data set without labels; give its '
            'data_prefix.seg_map_path'
        )
    sample = {name: info[name] for name in _READING if name in info}
    return LabelFile(info['key'], sample)
