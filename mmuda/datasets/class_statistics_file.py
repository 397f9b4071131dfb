# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pixels of each class in each label, and their file."""

import os
from dataclasses import dataclass

import numpy as np

from mmuda.utils.arrays import read_arrays
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_path
from mmuda.utils.json_files import read_plain_file

_FORMAT = 1
_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class ClassStatistics:
    """Pixels of each class in the labels of a data set.

    Attributes:
        classes: Names of the C classes.
        keys: Keys of the N images, in the data set's order.
        pixels: (N, C) int64; ignored pixels are not in it.
        stamps: For each label what changes with its content, see
            ``LabelFile.stamp``.
    """

    classes: tuple[str, ...]
    keys: tuple[str, ...]
    pixels: np.ndarray
    stamps: tuple[str, ...]

    @property
    def shares(self) -> np.ndarray:
        """(C,) parts of all labelled pixels; they sum to 1.

        Raises:
            DataError: No label has a pixel of any class.
        """
        total = self.pixels.sum(axis=0)
        if not total.any():
            raise DataError(
                'no label has a pixel of any class; correct label_table or '
                'label_set of the data set'
            )
        return total / total.sum()

    def images_with_more_than(self, min_pixels: int) -> np.ndarray:
        """(C,) numbers of images with more than so many pixels of a class."""
        return (self.pixels > min_pixels).sum(axis=0)

    def write(self, path: str | os.PathLike) -> None:
        """Write an ``.npz`` file; an old one stays until it is whole.

        Raises:
            DataError: The disk is full.
        """
        with atomic_path(path) as temporary, temporary.open('wb') as file:
            np.savez_compressed(
                file,
                format=np.int64(_FORMAT),
                classes=np.array(self.classes, dtype=str),
                keys=np.array(self.keys, dtype=str),
                pixels=self.pixels.astype(np.int64),
                stamps=np.array(self.stamps, dtype='S32'),
            )

    @classmethod
    def read(cls, path: str | os.PathLike) -> 'ClassStatistics':
        """Read what :meth:`write` wrote.

        Raises:
            DataError: The file is missing, damaged or of another kind.
        """
        remedy = 'remove it, or name another file'
        data = read_plain_file(path, remedy, _MAX_BYTES)
        try:
            arrays = read_arrays(data)
            if int(arrays['format']) != _FORMAT:
                raise ValueError(f'format {arrays["format"]}')
            statistics = cls(
                tuple(arrays['classes'].tolist()),
                tuple(arrays['keys'].tolist()),
                arrays['pixels'],
                tuple(s.decode() for s in arrays['stamps'].tolist()),
            )
            statistics._check()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f'{str(path)!r} holds no class statistics '
                f'({type(error).__name__}: {error}); {remedy}'
            ) from error
        return statistics

    def _check(self) -> None:
        shape = len(self.keys), len(self.classes)
        if self.pixels.shape != shape or len(self.stamps) != shape[0]:
            raise ValueError(
                f'{self.pixels.shape} pixels and {len(self.stamps)} stamps '
                f'of {shape[0]} images and {shape[1]} classes'
            )
