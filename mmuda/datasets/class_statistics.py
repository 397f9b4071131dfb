# Copyright (c) mmuda authors.
"""Pixels of each class in each label of a data set, counted once and kept."""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger

from mmuda.datasets.images.image_io import map_ids
from mmuda.datasets.raw_samples import LabelFile, label_files
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.image_loading import read_label_ids
from mmuda.utils.distributed import of_main_process
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_path, read_arrays
from mmuda.utils.jobs import in_threads
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

    def loss_weights(self, largest: float = 10.0) -> np.ndarray:
        """Weights of the classes in a loss that let rare ones be learned.

        With f_c, the share of a class in all labelled pixels, and C classes
        it is the root of 1 / (C f_c): half-way, on a logarithmic scale, from
        pixels that weigh the same to classes that weigh the same.

        Args:
            largest: No weight is larger.

        Returns:
            (C,) float64; 1 where no label has a pixel of the class.

        Raises:
            DataError: No label has a pixel of any class.
        """
        shares = self.shares
        weights = np.ones_like(shares)
        found = shares > 0
        weights[found] = (len(shares) * shares[found]) ** -0.5
        return weights.clip(max=largest)

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


_DEFAULT_FOLDER = Path('work_dirs', 'class_statistics')
# OpenCV's histograms are float32, which is exact up to here.
_EXACT_PIXELS = 2**24
_SECONDS_BETWEEN_WRITES = 30.0


def class_statistics(
    dataset: SegmentationDataset,
    path: str | Path | None = None,
    workers: int = 4,
    progress: bool = True,
) -> ClassStatistics:
    """Count the pixels of each class in each label, or read them from a file.

    The labels are counted as they are on disk, mapped by the data set's
    table: nothing of the pipeline counts, no crop (``CropFraction`` neither)
    and no resizing. Only labels that are new in the file are read: those
    whose path, size, time of change, table or classes were not counted
    before. What was counted is written twice a minute and at the end, also
    of an interrupted run.

    Args:
        dataset: A labelled data set, or a concatenation of several.
        path: The file; by default :func:`default_path`. One that holds the
            labels of another data set is replaced.
        workers: Number of reading threads; decoding releases the GIL.
        progress: Whether to show a bar with the remaining time.

    Raises:
        ConfigError: The data set has no labels, or ``workers`` is below 1.
        DataError: A label can't be read, or the file is of another kind.
    """
    if workers < 1:
        raise ConfigError(f'{workers} workers count no labels; at least 1')
    classes = tuple(dataset.metainfo['classes'])
    labels = label_files(dataset)
    path = _default_path(dataset, labels) if path is None else Path(path)
    known = _read_known(path, classes)
    calls = ((label, classes) for label in labels)
    with in_threads(LabelFile.stamp, calls, workers) as found:
        stamps = list(found)
    missing = {
        stamp: label
        for stamp, label in zip(stamps, labels, strict=True)
        if stamp not in known
    }
    collected = _Collected(path, classes, labels, stamps, known)
    if missing:
        uncounted = zip(missing.values())
        title = 'labels' if progress else None
        with in_threads(
            count_pixels, uncounted, workers, title, len(missing)
        ) as counted:
            collected.add(zip(missing, counted, strict=True))
    return collected.statistics()


def shared_class_statistics(
    dataset: SegmentationDataset,
    path: str | Path | None = None,
    workers: int = 4,
) -> ClassStatistics:
    """Let one process count and tell the others.

    Args:
        dataset: As of :func:`class_statistics`, the same in all processes.
        path: As of :func:`class_statistics`.
        workers: As of :func:`class_statistics`.

    Raises:
        ConfigError: As of :func:`class_statistics`, in all processes.
        DataError: As of :func:`class_statistics`, in all processes.
    """
    return of_main_process(lambda: class_statistics(dataset, path, workers))


def default_path(dataset: SegmentationDataset) -> Path:
    """Return where statistics lie if nobody names a file.

    Args:
        dataset: A labelled data set, or a concatenation of several.

    Returns:
        A path below the working folder, another for other labels, tables or
        classes.

    Raises:
        ConfigError: The data set has no labels.
    """
    return _default_path(dataset, label_files(dataset))


def _default_path(
    dataset: SegmentationDataset, labels: Sequence[LabelFile]
) -> Path:
    classes = tuple(dataset.metainfo['classes'])
    digest = hashlib.sha256(repr(classes).encode())
    for label in labels:
        digest.update(label.identity())
    parts = getattr(dataset, 'datasets', [dataset])
    names = dict.fromkeys(type(part).__name__ for part in parts)
    name = '_'.join(name.removesuffix('Dataset').lower() for name in names)
    return _DEFAULT_FOLDER / f'{name}_{digest.hexdigest()[:12]}.npz'


def count_pixels(label: LabelFile) -> np.ndarray:
    """Count the pixels of a label by train id.

    Returns:
        (256,) int64; the last one is that of ignored pixels.

    Raises:
        DataError: The file is missing or damaged, or has undefined ids.
    """
    ids = read_label_ids(label.sample)
    labels = map_ids(ids, label.sample['label_lut'], label.path)
    rows = max(1, _EXACT_PIXELS // labels.shape[1])
    counts = np.zeros(256, np.int64)
    for top in range(0, labels.shape[0], rows):
        part = np.ascontiguousarray(labels[top : top + rows])
        # Thrice as fast as NumPy's bincount, and without the GIL.
        histogram = cv2.calcHist([part], [0], None, [256], [0, 256])
        counts += histogram.ravel().astype(np.int64)
    return counts


class _Collected:
    """What is known of a data set so far, on its way into the file.

    Args:
        path: The file.
        classes: Names of the classes.
        labels: All label files of the data set.
        stamps: Their stamps.
        known: Pixels of each class by stamp.
    """

    def __init__(
        self,
        path: Path,
        classes: tuple[str, ...],
        labels: Sequence[LabelFile],
        stamps: Sequence[str],
        known: Mapping[str, np.ndarray],
    ) -> None:
        self.path = path
        self.classes = classes
        self.labels = labels
        self.stamps = stamps
        self.known = dict(known)

    def add(self, counted: Iterable[tuple[str, np.ndarray]]) -> None:
        """Take in counts by stamp, writing now and then and at the end."""
        written = time.monotonic()
        try:
            for stamp, counts in counted:
                self.known[stamp] = counts[: len(self.classes)]
                if time.monotonic() - written > _SECONDS_BETWEEN_WRITES:
                    self._write()
                    written = time.monotonic()
        finally:
            self._write()

    def statistics(self) -> ClassStatistics:
        """Statistics of the labels that are known, in their order."""
        rows = [
            (label.key, self.known[stamp], stamp)
            for label, stamp in zip(self.labels, self.stamps, strict=True)
            if stamp in self.known
        ]
        pixels = np.zeros((len(rows), len(self.classes)), np.int64)
        for row, (_, counts, _) in zip(pixels, rows, strict=True):
            row[:] = counts
        return ClassStatistics(
            self.classes,
            tuple(key for key, _, _ in rows),
            pixels,
            tuple(stamp for _, _, stamp in rows),
        )

    def _write(self) -> None:
        statistics = self.statistics()
        # An old file is worth more than one without any label.
        if not statistics.keys:
            return
        try:
            statistics.write(self.path)
        except OSError as error:
            MMLogger.get_current_instance().warning(
                f'cannot write the class statistics {str(self.path)!r} '
                f'({error.strerror or error}): labels are counted anew at '
                'every start; name another file'
            )


def _read_known(path: Path, classes: tuple[str, ...]) -> dict:
    """Return pixels by stamp of a file of the same classes, if there is."""
    if not path.exists():
        return {}
    statistics = ClassStatistics.read(path)
    if statistics.classes != classes:
        return {}
    return dict(zip(statistics.stamps, statistics.pixels, strict=True))
