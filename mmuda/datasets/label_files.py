# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The label files of a data set, and telling when one has changed."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.errors import ConfigError, DataError

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
