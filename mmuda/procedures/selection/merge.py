# Copyright (c) mmuda authors.
"""Completing the labels of one model by those of another."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from mmuda.datasets.pseudo_labels.pseudo_label_store import label_path
from mmuda.pseudo_labels.image_statistics import ImageStatistics, count_image
from mmuda.pseudo_labels.labelling_report import read_label
from mmuda.pseudo_labels.second_pass import encode_png, read_scores
from mmuda.utils.checks import one_of
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.jobs import in_threads
from mmuda.utils.names import IGNORE_ID, MANIFEST
from mmuda.utils.threads import usable_cores

from .labelled_images import (
    LabelledImages,
    require_same_classes,
    subset_manifest,
)

Disagreement = Literal['keep', 'void']


class Labels(NamedTuple):
    """Labels of one image, and how sure they are.

    Attributes:
        label: (H, W) uint8, 255 where rejected.
        score: (H, W) bins of the confidences of the kept pixels.
    """

    label: np.ndarray
    score: np.ndarray


def merge_labels(
    first: Labels, second: Labels, disagreement: Disagreement = 'keep'
) -> tuple[Labels, Labels]:
    """Fill what one model rejects with what the other keeps.

    A pixel goes on with the confidence of the model that labels it; where
    both give it the same label, each keeps its own.

    Args:
        first: Of one model.
        second: Of the other.
        disagreement: What becomes of a pixel with two labels: ``keep`` leaves
            each model its own, ``void`` rejects it in both.

    Returns:
        The completed labels of the first model and of the second.
    """
    void = np.zeros_like(first.label, dtype=bool)
    if disagreement == 'void':
        sure = (first.label != IGNORE_ID) & (second.label != IGNORE_ID)
        void = sure & (first.label != second.label)

    def completed(own: Labels, other: Labels) -> Labels:
        empty = own.label == IGNORE_ID
        label = np.where(empty, other.label, own.label)
        score = np.where(empty, other.score, own.score)
        label[void], score[void] = IGNORE_ID, 0
        return Labels(label, score)

    return completed(first, second), completed(second, first)


def merge_folders(
    first: LabelledImages,
    second: LabelledImages,
    roots: tuple[str | os.PathLike, str | os.PathLike],
    keys: Sequence[str] | None = None,
    disagreement: Disagreement = 'keep',
    threads: int = 0,
) -> tuple[LabelledImages, LabelledImages]:
    """Merge two models' labels of the same images, with new statistics.

    Args:
        first: Of one model, made with ``image_statistics`` and
            ``keep_scores``.
        second: Of the other.
        roots: Folders of the completed labels of the first and the second; as
            in all folders of labels, ``manifest.json`` is written last.
        keys: Images to merge; all that both have labelled if None.
        disagreement: See :func:`merge_labels`.
        threads: Images at a time; 0 for one of each processor core, up to
            eight.

    Returns:
        What the two folders hold.

    Raises:
        ConfigError: A value is unknown, or a folder is one of those to read.
        DataError: A file is missing or damaged, or classes, bins, images or
            their sizes differ.
    """
    folders = Path(roots[0]), Path(roots[1])
    _check(first, second, folders, disagreement)
    keys = _common_keys(first, second, keys)
    merging = _Merging(first, second, folders, disagreement)
    for folder in folders:
        (folder / MANIFEST).unlink(missing_ok=True)
    width = 3 * len(first.manifest.classes) + 2
    tables = np.zeros((2, len(keys), width), dtype=np.int64)
    threads = threads or min(usable_cores(), 8)
    calls = ((key,) for key in keys)
    with in_threads(merging.merge, calls, threads) as merged:
        for index, rows in enumerate(merged):
            tables[:, index] = rows
    bins = first.statistics.bins
    parts = zip((first, second), (second, first), folders, tables, strict=True)
    ours, theirs = (
        _finish(
            own,
            other,
            folder,
            ImageStatistics.from_rows(keys, table, bins),
            disagreement,
        )
        for own, other, folder, table in parts
    )
    return ours, theirs


@dataclass(frozen=True)
class _Merging:
    """Merges one image after the other."""

    first: LabelledImages
    second: LabelledImages
    roots: tuple[Path, Path]
    disagreement: Disagreement

    def merge(self, key: str) -> np.ndarray:
        """Write both labels of an image; (2, 3C + 2) rows of statistics."""
        pair = self._read(self.first, key), self._read(self.second, key)
        if pair[0].label.shape != pair[1].label.shape:
            paths = (
                label_path(p.root, key) for p in (self.first, self.second)
            )
            raise DataError(
                'the pseudo-labels {!r} and {!r} differ in size; label both '
                'with one pipeline'.format(*map(str, paths))
            )
        merged = merge_labels(*pair, self.disagreement)
        for root, labels in zip(self.roots, merged, strict=True):
            atomic_write(label_path(root, key), encode_png(labels.label))
        parts = zip((self.first, self.second), pair, merged, strict=True)
        return np.stack([self._row(part, key, *maps) for part, *maps in parts])

    def _row(
        self, part: LabelledImages, key: str, own: Labels, merged: Labels
    ) -> np.ndarray:
        """Statistics of the completed labels of an image."""
        statistics = part.statistics
        classes = statistics.num_classes
        row = count_image(*merged, merged.label != IGNORE_ID, classes)
        # What the model predicts and rejects is counted still.
        taken = merged.label[own.label == IGNORE_ID]
        row[:classes] = statistics.predicted[part.rows[key]]
        row[:classes] += np.bincount(taken, minlength=256)[:classes]
        return row

    def _read(self, part: LabelledImages, key: str) -> Labels:
        labels = read_label(part.root, key), read_scores(part.root, key)
        if labels[0].shape != labels[1].shape:
            path = label_path(part.root, key)
            raise DataError(
                f'{str(path)!r} and its confidences differ in size; generate '
                'the pseudo-labels anew with --overwrite'
            )
        return Labels(*labels)


def _check(
    first: LabelledImages,
    second: LabelledImages,
    folders: tuple[Path, Path],
    disagreement: str,
) -> None:
    one_of(get_args(Disagreement)).require(disagreement, 'disagreement')
    four = [path.resolve() for path in (first.root, second.root, *folders)]
    if len(set(four)) < len(four):
        raise ConfigError(
            f'merging needs four folders, got {[str(p) for p in four]}; '
            'choose other ones to write to'
        )
    require_same_classes(first, second)
    if first.statistics.bins != second.statistics.bins:
        raise DataError(
            f'{str(first.root)!r} and {str(second.root)!r} have other '
            'pseudo_labels.bins; label both with the same number'
        )


def _common_keys(
    first: LabelledImages, second: LabelledImages, keys: Sequence[str] | None
) -> list[str]:
    """Sorted keys, all of which both models have labelled."""
    both = {*first.rows} & {*second.rows}
    missing = sorted({*(keys or ())} - both)
    if missing:
        raise DataError(
            f'{len(missing)} image(s), the first is {missing[0]!r}, were not '
            f'labelled in both {str(first.root)!r} and {str(second.root)!r}; '
            'label the same images with both models'
        )
    return sorted(both if keys is None else {*keys})


def _finish(
    own: LabelledImages,
    other: LabelledImages,
    root: Path,
    statistics: ImageStatistics,
    disagreement: Disagreement,
) -> LabelledImages:
    """Write statistics, and then the manifest."""
    statistics.write(root)
    manifest = subset_manifest(
        own.manifest,
        statistics,
        checkpoints=(*own.manifest.checkpoints, *other.manifest.checkpoints),
        options={'merged': disagreement},
    )
    manifest.write(root)
    return LabelledImages(root, manifest, statistics)
