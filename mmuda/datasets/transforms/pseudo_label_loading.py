# Copyright (c) mmuda authors.
"""Transforms that read the pseudo-labels of an image."""

import os
from abc import abstractmethod
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.nn import functional

from mmuda.datasets.images.image_io import decode_ids, map_ids, read_bytes
from mmuda.datasets.labels.label_maps import identity_table, lookup_table
from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    current_root,
    unfinished,
)
from mmuda.datasets.pseudo_labels.soft_labels import read_soft_label
from mmuda.datasets.transforms.image_loading import resize_nearest, size_text
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.names import IGNORE_ID
from mmuda.utils.tool_commands import tool_command


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
                'it by --pseudo-labels DIR, add a PseudoLabelRefreshHook, or '
                'run the whole recipe by '
                f'{tool_command("self_train.py", "CONFIG")}'
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


@TRANSFORMS.register_module()
class LoadPseudoLabels(PseudoLabelTransform):
    """Load the pseudo-label of an image from ``<root>/<key>.png``.

    Pseudo-labels are written at the size the network saw, so put this after
    ``Resize`` and before random crops and flips, which move it with the
    image as they do all ``seg_fields``.

    Required keys: ``key``, ``num_classes``, ``img``.

    Added keys: ``pseudo_seg_map`` ((H, W) uint8 train ids, 255 = ignore), and
    its name in ``seg_fields``.

    Args:
        pseudo_label_root: Folder of pseudo-labels, or of rounds of them;
            None if ``--pseudo-labels`` or ``PseudoLabelRefreshHook`` sets it.
        suffix: Suffix of the files, 8-bit PNG of train ids.
        resize: Resize pseudo-labels of another size than the image, nearest
            neighbour, instead of raising.
        allow_missing: Before the first round is finished, give 255 for every
            pixel. Once there is one, a missing file is an error.
        trust: Read from the folder itself, without a manifest: for labels
            made by other programs.

    Raises:
        ConfigError: If the data set is not ours, or the image was flipped.
        DataError: If the folder has no manifest, or the file is missing or
            damaged, has another size than the image, or an id that is no
            train id.
    """

    field = 'pseudo_seg_map'

    def __init__(
        self,
        pseudo_label_root: str | None = None,
        suffix: str = '.png',
        resize: bool = False,
        allow_missing: bool = False,
        trust: bool = False,
    ) -> None:
        super().__init__(pseudo_label_root, allow_missing, trust)
        self.suffix = suffix
        self.resize = resize

    def decode(self, path: str, num_classes: int) -> np.ndarray:
        """Read train ids, (h, w) uint8."""
        ids = decode_ids(read_bytes(path), path, None)
        return map_ids(ids, _train_id_lut(num_classes), path)

    def fit(
        self, labels: np.ndarray, shape: tuple[int, int], path: str
    ) -> np.ndarray:
        """Return (H, W) train ids; another size is an error by default."""
        if labels.shape == shape:
            return labels
        if not self.resize:
            raise DataError(
                f'pseudo-label {path!r} is {size_text(labels.shape)}, the '
                f'image is {size_text(shape)} here; put LoadPseudoLabels '
                'after Resize to the size they were generated at, or set '
                'resize=True'
            )
        return resize_nearest(labels, shape)

    def rejected(self, shape: tuple[int, int], num_classes: int) -> np.ndarray:
        """Return (H, W) of 255."""
        return np.full(shape, IGNORE_ID, np.uint8)

    def __repr__(self) -> str:
        return (
            f'LoadPseudoLabels(pseudo_label_root={self.pseudo_label_root!r}, '
            f'suffix={self.suffix!r}, resize={self.resize}, '
            f'allow_missing={self.allow_missing}, trust={self.trust})'
        )


@TRANSFORMS.register_module()
class LoadSoftPseudoLabels(PseudoLabelTransform):
    """Load the soft label of an image from ``<root>/<key>.npz``.

    Soft labels have the network's resolution and are resized to the image,
    bilinearly. So put this after all transforms that resize or pad, and
    before random crops and flips, which move it with the image.

    Required keys: ``key``, ``num_classes``, ``img``.

    Added keys: ``pseudo_soft_map`` ((H, W, C) float32, each pixel sums to 1,
    or to 0 if it has no label), and its name in ``seg_fields``.

    Args:
        pseudo_label_root: Folder of pseudo-labels, or of rounds of them;
            None if ``--pseudo-labels`` or ``PseudoLabelRefreshHook`` sets it.
        allow_missing: Before the first round is finished, give zeros for
            every pixel. Once there is one, a missing file is an error.
        trust: Read from the folder itself, without a manifest: for labels
            made by other programs.
        align_corners: How to resize: as the network that made the labels.
            With another value they are shifted by up to half a pixel of its
            output, four pixels of the image.

    Raises:
        ConfigError: If the data set is not ours, or the image was flipped.
        DataError: If the folder has no manifest, or the file is missing or
            damaged, or has another number of classes.
    """

    field = 'pseudo_soft_map'
    suffix = '.npz'

    def __init__(
        self,
        pseudo_label_root: str | None = None,
        allow_missing: bool = False,
        trust: bool = False,
        align_corners: bool = True,
    ) -> None:
        super().__init__(pseudo_label_root, allow_missing, trust)
        self.align_corners = align_corners

    def decode(self, path: str, num_classes: int) -> np.ndarray:
        """Read probabilities, (C, h, w) float32."""
        probabilities = read_soft_label(path)
        if len(probabilities) != num_classes:
            raise DataError(
                f'soft label {path!r} has {len(probabilities)} classes, the '
                f'data set has {num_classes}; generate pseudo-labels with '
                'this config, or correct pseudo_label_root or label_set'
            )
        return probabilities

    def fit(
        self, labels: np.ndarray, shape: tuple[int, int], path: str
    ) -> np.ndarray:
        """Return (H, W, C) probabilities."""
        resized = functional.interpolate(
            torch.from_numpy(labels)[None],
            shape,
            mode='bilinear',
            align_corners=self.align_corners,
        )
        # A view: packing turns it back.
        return resized[0].permute(1, 2, 0).numpy()

    def rejected(self, shape: tuple[int, int], num_classes: int) -> np.ndarray:
        """Return (H, W, C) of zeros."""
        return np.zeros((*shape, num_classes), np.float32)

    def __repr__(self) -> str:
        return (
            'LoadSoftPseudoLabels('
            f'pseudo_label_root={self.pseudo_label_root!r}, '
            f'allow_missing={self.allow_missing}, trust={self.trust}, '
            f'align_corners={self.align_corners})'
        )


@lru_cache(maxsize=8)
def _train_id_lut(num_classes: int) -> np.ndarray:
    return lookup_table(identity_table(num_classes), num_classes)
