# Copyright (c) mmuda authors.
"""What the pseudo-labels of each image hold, and how sure they are."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mmuda.datasets.pseudo_labels.pseudo_label_store import names_inside
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write, read_arrays
from mmuda.utils.json_files import read_plain_file
from mmuda.utils.text import shorten

STATISTICS = 'statistics.npz'
# The arrays of statistics, in their order.
_ARRAYS = 'predicted', 'kept', 'score_sums', 'sizes'


@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """Pixels and confidences of N images by class, as exact integers.

    Confidences are sums of numbers of bins, so that they do not depend on
    the order in which pixels, images and processes are added up. Pixels on
    the ego vehicle are neither predicted nor kept.

    Attributes:
        keys: Keys of the images.
        predicted: (N, C) int64, pixels of each predicted class.
        kept: (N, C) int64, those that were not rejected.
        score_sums: (N, C) int64, sum of the score bins of the kept ones.
        sizes: (N, 2) int64, height and width of the labels.
        bins: Number of bins over confidences in [0, 1].
    """

    keys: tuple[str, ...]
    predicted: np.ndarray
    kept: np.ndarray
    score_sums: np.ndarray
    sizes: np.ndarray
    bins: int

    @classmethod
    def from_rows(
        cls, keys: Sequence[str], rows: np.ndarray, bins: int
    ) -> 'ImageStatistics':
        """Take apart what :func:`count_image` gave for each image.

        Args:
            keys: Keys of the N images.
            rows: (N, 3C + 2) int64.
            bins: Number of bins.
        """
        counts, sizes = rows[:, :-2], rows[:, -2:]
        predicted, kept, sums = np.split(counts, 3, axis=1)
        return cls(tuple(keys), predicted, kept, sums, sizes, bins)

    @classmethod
    def _of(
        cls, keys: tuple[str, ...], arrays: Sequence[np.ndarray], bins: int
    ) -> 'ImageStatistics':
        predicted, kept, sums, sizes = arrays
        return cls(keys, predicted, kept, sums, sizes, bins)

    @classmethod
    def read(cls, root: str | os.PathLike) -> 'ImageStatistics':
        """Read ``statistics.npz``.

        Args:
            root: Folder of pseudo-labels.

        Raises:
            DataError: It is missing, damaged or contradicts itself.
        """
        path = Path(root, STATISTICS)
        if not path.exists():
            raise DataError(
                f'{str(path)!r} does not exist; generate the pseudo-labels '
                'with pseudo_labels.image_statistics=True in the config'
            )
        data = read_plain_file(
            path, 'generate the pseudo-labels anew with --overwrite'
        )
        try:
            arrays = read_arrays(data)
            statistics = cls._of(
                tuple(arrays['keys'].tolist()),
                [arrays[name] for name in _ARRAYS],
                int(arrays['bins']),
            )
            fault = statistics._fault()
        except (IndexError, KeyError, TypeError, ValueError) as error:
            fault = f'it is no file of statistics ({error})'
        if fault:
            raise DataError(
                f'{str(path)!r} is damaged: {fault}; generate the '
                'pseudo-labels anew with --overwrite'
            )
        return statistics

    def write(self, root: str | os.PathLike) -> None:
        """Write ``statistics.npz``; equal statistics give equal bytes.

        Args:
            root: Folder of pseudo-labels.

        Raises:
            DataError: The disk is full.
        """
        file = io.BytesIO()
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays['keys'] = np.array(self.keys, dtype=np.str_)
        np.savez(file, **arrays)
        atomic_write(Path(root, STATISTICS), file.getvalue())

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.kept.shape[1]

    @property
    def mean_confidence(self) -> np.ndarray:
        """Of the kept pixels of each class, (N, C); NaN without any."""
        return _ratio(self.score_sums, self.kept * self.bins)

    @property
    def score(self) -> np.ndarray:
        """Mean confidence of all kept pixels, (N,); NaN without any.

        Rejected pixels do not count, as the procedure is described. In the
        published code most of them do.
        """
        return _ratio(
            self.score_sums.sum(axis=1), self.kept.sum(axis=1) * self.bins
        )

    @property
    def rejected(self) -> np.ndarray:
        """Pixels without a label, (N,) int64."""
        return self.sizes.prod(axis=1) - self.kept.sum(axis=1)

    @property
    def rejected_share(self) -> np.ndarray:
        """Share of the pixels without a label, (N,) in [0, 1]."""
        return _ratio(self.rejected, self.sizes.prod(axis=1))

    @property
    def num_classes_present(self) -> np.ndarray:
        """Classes with a kept pixel, (N,) int64."""
        return (self.kept > 0).sum(axis=1)

    def subset(self, indices: Sequence[int]) -> 'ImageStatistics':
        """Statistics of some images, in that order."""
        rows = np.asarray(indices, dtype=np.int64)
        return self._of(
            tuple(self.keys[index] for index in rows),
            [getattr(self, name)[rows] for name in _ARRAYS],
            self.bins,
        )

    def joined(self, other: 'ImageStatistics') -> 'ImageStatistics':
        """These images and then those of another labelling.

        Raises:
            DataError: They differ in the number of classes or bins.
        """
        mine, theirs = ((s.num_classes, s.bins) for s in (self, other))
        if mine != theirs:
            raise DataError(
                f'statistics of {mine[0]} classes and {mine[1]} bins do not '
                f'go together with those of {theirs[0]} classes and '
                f'{theirs[1]} bins; label with one label_set and one '
                'pseudo_labels.bins'
            )
        arrays = [
            np.concatenate([getattr(s, name) for s in (self, other)])
            for name in _ARRAYS
        ]
        return self._of(self.keys + other.keys, arrays, self.bins)

    def __len__(self) -> int:
        return len(self.keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageStatistics) and all(
            np.array_equal(getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
        )

    def _fault(self) -> str | None:
        """What contradicts itself, if anything does."""
        tables = self.predicted, self.kept, self.score_sums
        if any(t.dtype != np.int64 for t in (*tables, self.sizes)):
            return 'its counts are no whole numbers'
        shape = (len(self), self.kept.shape[-1])
        wrong = any(table.shape != shape for table in tables)
        if wrong or self.sizes.shape != (len(self), 2):
            return 'its tables differ in shape'
        if len(set(self.keys)) < len(self):
            return 'a key occurs twice'
        elsewhere = next((k for k in self.keys if not names_inside(k)), None)
        if elsewhere is not None:
            return f'the key {shorten(repr(elsewhere))} leads elsewhere'
        if (self.kept < 0).any() or (self.kept > self.predicted).any():
            return 'a class has more kept pixels than predicted, or below 0'
        sums = self.score_sums
        if (sums < 0).any() or (sums > self.kept * (self.bins - 1)).any():
            return 'a confidence lies outside [0, 1]'
        if (self.rejected < 0).any():
            return 'an image has more kept pixels than pixels'
        return None


def count_image(
    label: np.ndarray, score: np.ndarray, keep: np.ndarray, num_classes: int
) -> np.ndarray:
    """Count the pixels of one image.

    Args:
        label: (H, W) uint8 predicted classes, 255 for none.
        score: (H, W) bins of their confidences.
        keep: (H, W) mask of the labels that are kept.
        num_classes: Number of classes C.

    Returns:
        (3C + 2,) int64: predicted and kept pixels and sum of the bins by
        class, height and width.
    """
    kept = label[keep]
    # Sums of whole numbers are exact in float64 up to 2**53.
    sums = np.bincount(kept, score[keep].astype(np.float64), num_classes)
    predicted = np.bincount(label.ravel(), minlength=256)[:num_classes]
    pixels = np.bincount(kept, minlength=num_classes)
    return np.concatenate(
        [predicted, pixels, sums.astype(np.int64), label.shape]
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.true_divide(part, whole)
