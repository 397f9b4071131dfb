# Copyright (c) mmuda authors.
"""The pseudo-labelled images that a model has gathered over the cycles."""

import csv
import io
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    label_path,
    names_inside,
)
from mmuda.pseudo_labels.image_statistics import STATISTICS, ImageStatistics
from mmuda.utils.checks import one_of
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_path, atomic_write
from mmuda.utils.names import MANIFEST

from .labelled_images import LabelledImages, subset_manifest
from .ranking import keys_text

KEYS = 'keys.txt'
TABLE = 'accumulated.csv'
_HEADING = ['key', 'confidence', 'rejected', 'cycle', 'giver']

Accumulation = Literal['update_best_score', 'all', 'none']
Better = Literal['confidence', 'rejected']


@dataclass(frozen=True)
class AccumulatedLabels:
    """Selected images, sorted by key, each with one label.

    Attributes:
        statistics: What each label holds; its ``score`` is what labels are
            compared by.
        files: Where the labels are.
        cycles: Cycle in which each was selected.
        givers: Name of the model that made it.
    """

    statistics: ImageStatistics
    files: tuple[Path, ...]
    cycles: tuple[int, ...]
    givers: tuple[str, ...]

    @classmethod
    def select(
        cls,
        labelled: LabelledImages,
        indices: Iterable[int],
        cycle: int,
        giver: str,
    ) -> 'AccumulatedLabels':
        """Take some images of a labelling.

        Args:
            labelled: The labels.
            indices: Numbers of the images, in any order; there may be none.
            cycle: Number of the cycle.
            giver: Name of the model that made the labels.
        """
        keys = labelled.statistics.keys
        rows = sorted(indices, key=lambda index: keys[index])
        return cls(
            labelled.statistics.subset(rows),
            tuple(label_path(labelled.root, keys[index]) for index in rows),
            (cycle,) * len(rows),
            (giver,) * len(rows),
        )

    def __len__(self) -> int:
        return len(self.files)

    def update(
        self,
        selected: 'AccumulatedLabels',
        mode: Accumulation = 'update_best_score',
        by: Better = 'confidence',
    ) -> 'AccumulatedLabels':
        """Add the images of a cycle.

        Args:
            selected: What the cycle has selected.
            mode: Of an image that is there already, ``update_best_score``
                takes the new label if it is better, not if it is equal;
                ``all`` always takes it; ``none`` forgets all earlier images.
            by: A better label has a higher ``confidence``, or a lower share
                of ``rejected`` pixels.

        Raises:
            ConfigError: A value is unknown.
            DataError: Labels differ in the number of classes or bins.
        """
        one_of(get_args(Accumulation)).require(mode, 'accumulation')
        one_of(get_args(Better)).require(by, 'better label')
        if mode == 'none':
            return selected
        both = self._joined(selected)
        goodness = -both.statistics.rejected_share
        if by == 'confidence':
            # A label without a kept pixel is worse than any other.
            goodness = np.nan_to_num(both.statistics.score, nan=-1.0)
        rows: dict[str, int] = {}
        for row, key in enumerate(both.statistics.keys):
            old = rows.setdefault(key, row)
            if mode == 'all' or goodness[row] > goodness[old]:
                rows[key] = row
        return both._rows([rows[key] for key in sorted(rows)])

    def write(
        self, root: str | os.PathLike, manifest: PseudoLabelManifest
    ) -> 'AccumulatedLabels':
        """Make a folder of pseudo-labels of them, to train on.

        Besides the labels it holds ``keys.txt`` for ``ann_file``,
        ``accumulated.csv``, ``statistics.npz`` and, written last,
        ``manifest.json``. Labels are hard links where that is possible: all
        that writes labels replaces files instead of changing them.

        Args:
            root: A new folder, or one that this wrote earlier.
            manifest: Of the latest labelling, whose thresholds are kept.

        Returns:
            The same labels in the folder.

        Raises:
            ConfigError: The folder holds something else.
            DataError: A label is missing, the classes differ, or the disk is
                full.
        """
        root, keys = Path(root), self.statistics.keys
        if self.statistics.num_classes != len(manifest.classes):
            raise DataError(
                f'labels of {self.statistics.num_classes} classes do not go '
                f'together with a manifest of {len(manifest.classes)}'
            )
        files = tuple(label_path(root, key) for key in keys)
        written = AccumulatedLabels(
            self.statistics, files, self.cycles, self.givers
        )
        _clear(root, {*files, *self.files})
        # First of all, so that an interrupted folder is known as ours.
        atomic_write(root / TABLE, self._table())
        for source, target in zip(self.files, files, strict=True):
            _link(source, target)
        atomic_write(root / KEYS, keys_text(keys))
        self.statistics.write(root)
        subset_manifest(manifest, self.statistics).write(root)
        return written

    @classmethod
    def read(cls, root: str | os.PathLike) -> 'AccumulatedLabels':
        """Read what :meth:`write` returned.

        Raises:
            DataError: The folder is not finished, or a file is damaged.
        """
        statistics = LabelledImages.read(root).statistics
        path = Path(root, TABLE)
        try:
            with path.open(encoding='utf-8', newline='') as file:
                rows = list(csv.DictReader(file))
            cycles = tuple(int(row['cycle']) for row in rows)
            givers = tuple(row['giver'] for row in rows)
            same = tuple(row['key'] for row in rows) == statistics.keys
        except (OSError, KeyError, TypeError, ValueError, csv.Error):
            same = False
        if not same:
            raise DataError(
                f'{str(path)!r} is missing, damaged, or of other images than '
                f'{STATISTICS} beside it; remove the folder and select anew'
            )
        files = tuple(label_path(root, key) for key in statistics.keys)
        return cls(statistics, files, cycles, givers)

    def _joined(self, other: 'AccumulatedLabels') -> 'AccumulatedLabels':
        return AccumulatedLabels(
            self.statistics.joined(other.statistics),
            self.files + other.files,
            self.cycles + other.cycles,
            self.givers + other.givers,
        )

    def _rows(self, rows: list[int]) -> 'AccumulatedLabels':
        return AccumulatedLabels(
            self.statistics.subset(rows),
            tuple(self.files[row] for row in rows),
            tuple(self.cycles[row] for row in rows),
            tuple(self.givers[row] for row in rows),
        )

    def _table(self) -> str:
        """Text for people; only cycle and giver are read from it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(_HEADING)
        scores = self.statistics.score, self.statistics.rejected_share
        numbers = ([f'{v:.6f}' for v in values] for values in scores)
        columns = (self.statistics.keys, *numbers, self.cycles, self.givers)
        writer.writerows(zip(*columns, strict=True))
        return text.getvalue()


def _clear(root: Path, needed: set[Path]) -> None:
    """Make a folder an unfinished one, without labels of other images."""
    table = root / TABLE
    if table.is_file():
        labels = _labels_of(table)
        (root / MANIFEST).unlink(missing_ok=True)
        for path in labels - needed:
            path.unlink(missing_ok=True)
    # Hidden files are what a killed process left of its first one.
    elif root.is_dir() and any(p.name[0] != '.' for p in root.iterdir()):
        raise ConfigError(
            f'{str(root)!r} is not empty, and what it holds are no '
            'accumulated pseudo-labels; choose another folder'
        )


def _labels_of(table: Path) -> set[Path]:
    """Labels in the folder of a table, by its keys.

    Raises:
        DataError: It is damaged, or names files elsewhere.
    """
    try:
        with table.open(encoding='utf-8', newline='') as file:
            rows = list(csv.reader(file))
        keys = [row[0] for row in rows[1:]] if rows[:1] == [_HEADING] else []
    except (IndexError, ValueError, csv.Error):
        keys = ['']
    if not all(map(names_inside, keys)):
        raise DataError(
            f'{str(table)!r} is damaged, or was not written here; remove the '
            'folder, or choose another'
        )
    return {label_path(table.parent, key) for key in keys}


def _link(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    if not source.is_file():
        raise DataError(
            f'the pseudo-label {str(source)!r} does not exist; restore it, '
            'or start the cycle anew'
        )
    with atomic_path(target) as temporary:
        try:
            temporary.unlink()
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
