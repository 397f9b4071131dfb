# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What transforms that read pseudo-labels have in common."""

import os
from abc import abstractmethod
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmuda.datasets.pseudo_label_store import current_root, unfinished
from mmuda.utils.errors import ConfigError, DataError


class PseudoLabelTransform(BaseTransform):
    """Base of the transforms that load one file of a folder by its key.

    The folder is looked up at every sample: a loader process that lives
    through a new round of labels reads the new ones.

    Args:
        pseudo_label_root: Folder of pseudo-labels, or of rounds of them;
            None if it is set later.
        allow_missing: Before the first round is finished, give labels that
            reject every pixel. Once there is one, a missing file is an error.
        trust: Read from the folder itself, without a manifest: for labels
            made by other programs.
    """

    suffix: str
    field: str

    def __init__(
        self,
        pseudo_label_root: str | None,
        allow_missing: bool = False,
        trust: bool = False,
    ) -> None:
        self.pseudo_label_root = pseudo_label_root
        self.allow_missing = allow_missing
        self.trust = trust

    def transform(self, results: dict) -> dict:
        """Load the label of ``results['key']``."""
        for key, remedy in (
            ('key', 'it needs a DomainSegDataset'),
            ('img', 'put LoadImage before it'),
        ):
            if key not in results:
                name = type(self).__name__
                raise ConfigError(f'{name} misses {key!r}: {remedy}')
        if results.get('flip'):
            raise ConfigError(
                f'{type(self).__name__} must come before RandomFlip, which '
                'flips the pseudo-label together with the image'
            )
        labels, path = self.read(results)
        shape = results['img'].shape[:2]
        if labels is None:
            labels = self.rejected(shape, results['num_classes'])
        else:
            labels = self.fit(labels, shape, path)
        results[self.field] = labels
        results['seg_fields'].append(self.field)
        return results

    def read(self, sample: dict) -> tuple[np.ndarray | None, str]:
        """Read the file of a sample as it is.

        Args:
            sample: With ``key`` and ``num_classes``.

        Returns:
            Its content and its path; None if there are no labels yet.

        Raises:
            DataError: If labels are unfinished, or the file is missing,
                damaged or of other classes.
        """
        root = self.folder()
        if root is None:
            return None, ''
        path = os.path.join(root, sample['key'] + self.suffix)
        if not os.path.isfile(path):
            raise DataError(
                f'pseudo-label {path!r} does not exist; generate '
                'pseudo-labels for this data set, or correct '
                'pseudo_label_root'
            )
        return self.decode(path, sample['num_classes']), path

    def folder(self) -> Path | None:
        """Folder of the finished labels; None if they may come later.

        Raises:
            ConfigError: If no folder was ever set.
            DataError: If there are none.
        """
        if self.pseudo_label_root is None:
            raise ConfigError(
                f'{type(self).__name__}: pseudo_label_root is not set; give '
                'train.py --pseudo-labels DIR, add a PseudoLabelRefreshHook, '
                'or run the whole recipe by tools/self_train.py'
            )
        if self.trust:
            return Path(self.pseudo_label_root)
        root = current_root(self.pseudo_label_root)
        if root is None and not self.allow_missing:
            raise DataError(unfinished(self.pseudo_label_root))
        return root

    @abstractmethod
    def decode(self, path: str, num_classes: int) -> np.ndarray:
        """Read a file and check that its classes are possible."""

    @abstractmethod
    def fit(
        self, labels: np.ndarray, shape: tuple[int, int], path: str
    ) -> np.ndarray:
        """Return labels in the height and width of the image."""

    @abstractmethod
    def rejected(self, shape: tuple[int, int], num_classes: int) -> np.ndarray:
        """Return labels that reject every pixel."""
