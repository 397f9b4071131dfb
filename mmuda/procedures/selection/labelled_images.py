# Copyright (c) mmuda authors.
"""What one model thinks of the images of a cycle."""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    keys_digest,
)
from mmuda.pseudo_labels.image_statistics import STATISTICS, ImageStatistics
from mmuda.utils.errors import DataError


@dataclass(frozen=True)
class LabelledImages:
    """A finished folder of pseudo-labels with statistics of its images.

    Attributes:
        root: The folder.
        manifest: How the labels were made, and the thresholds.
        statistics: What each image holds.
    """

    root: Path
    manifest: PseudoLabelManifest
    statistics: ImageStatistics

    @classmethod
    def read(cls, root: str | os.PathLike) -> 'LabelledImages':
        """Read manifest and statistics of a folder.

        Args:
            root: Folder of the labels.

        Raises:
            DataError: It is not finished, has no statistics, or those of
                other images or classes.
        """
        manifest = PseudoLabelManifest.read(root)
        statistics = ImageStatistics.read(root)
        same_keys = keys_digest(statistics.keys) == manifest.keys_sha256
        if not same_keys or statistics.num_classes != len(manifest.classes):
            raise DataError(
                f'{str(Path(root, STATISTICS))!r} is of other images or '
                'classes than manifest.json beside it; generate the '
                'pseudo-labels anew with --overwrite'
            )
        return cls(Path(root), manifest, statistics)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Number of each image in the statistics, by key."""
        return {key: row for row, key in enumerate(self.statistics.keys)}

    @property
    def thresholds(self) -> list[float | None]:
        """Threshold of each class in order; None if it has none."""
        return [self.manifest.thresholds[c] for c in self.manifest.classes]


def subset_manifest(
    manifest: PseudoLabelManifest, statistics: ImageStatistics, **changes
) -> PseudoLabelManifest:
    """Manifest of a folder with some images of a labelling.

    Args:
        manifest: Of the labelling; thresholds, checkpoints and rule are kept.
        statistics: Of the images in the folder.
        **changes: Further fields to replace.
    """

    def by_class(table: np.ndarray) -> dict[str, int]:
        counts = table.sum(axis=0).tolist()
        return dict(zip(manifest.classes, counts, strict=True))

    # Neither probabilities nor confidences go along with the labels.
    options = {k: v for k, v in manifest.options.items() if k != 'keep_scores'}
    options |= {'soft_top_k': None, 'image_statistics': True}
    fields = dict(
        num_images=len(statistics),
        keys_sha256=keys_digest(statistics.keys),
        pixels=by_class(statistics.predicted),
        kept=by_class(statistics.kept),
        options=options | changes.pop('options', {}),
    )
    return replace(manifest, **fields, **changes)


def require_same_classes(
    first: LabelledImages, second: LabelledImages
) -> None:
    """Refuse two models of other classes.

    Args:
        first: Labels of one model.
        second: Labels of the other.

    Raises:
        DataError: Their classes differ.
    """
    if first.manifest.classes != second.manifest.classes:
        raise DataError(
            f'{str(first.root)!r} and {str(second.root)!r} hold labels of '
            f'other classes ({", ".join(first.manifest.classes)}; '
            f'{", ".join(second.manifest.classes)}); label both with one '
            'label_set'
        )


def minimum_thresholds(
    first: LabelledImages, second: LabelledImages
) -> list[float | None]:
    """The lower threshold of each class, for the last labels of two models.

    Args:
        first: Last labels of one model, by a rule on confidence.
        second: Those of the other.

    Returns:
        For ``FixedThresholds``, in the order of the classes: the other's if
        one has none, None if both have none.

    Raises:
        DataError: Their classes differ.
    """
    require_same_classes(first, second)
    return [
        min((value for value in pair if value is not None), default=None)
        for pair in zip(first.thresholds, second.thresholds, strict=True)
    ]
