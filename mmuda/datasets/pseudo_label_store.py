# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pseudo-labels on disk: where the files are and what they were made of.

A folder of pseudo-labels holds ``<key>.png`` (uint8 train ids, 255 =
rejected) for each image, perhaps ``<key>.npz`` (soft labels), and
``manifest.json``. The manifest is written last, so a folder without it is
unfinished. Labels that are made anew during training lie in one such folder a
round, and a file ``current`` next to them names the newest finished one.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from mmuda.datasets.listing import list_keys, require_keys
from mmuda.datasets.pseudo_label_manifest import (
    MANIFEST,
    REMEDY,
    PseudoLabelManifest,
    unfinished,
)
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write

__all__ = [
    'CURRENT',
    'MANIFEST',
    'PseudoLabelManifest',
    'check_pseudo_labels',
    'current_root',
    'keys_digest',
    'label_path',
    'publish_round',
    'soft_label_path',
    'unfinished',
]

CURRENT = 'current'


def keys_digest(keys: Iterable[str]) -> str:
    """SHA-256, as hexadecimal digits, of keys in any order."""
    return hashlib.sha256('\n'.join(sorted(keys)).encode()).hexdigest()


def label_path(root: str | os.PathLike, key: str) -> Path:
    """Path of an image's pseudo-label."""
    return Path(root, f'{key}.png')


def soft_label_path(root: str | os.PathLike, key: str) -> Path:
    """Path of an image's soft label."""
    return Path(root, f'{key}.npz')


def publish_round(root: str | os.PathLike, name: str) -> None:
    """Let ``current`` name another round; readers see the old or the new one.

    Args:
        root: Folder of the rounds.
        name: Name of a finished round's folder.

    Raises:
        DataError: If the round has no manifest.
    """
    if not Path(root, name, MANIFEST).is_file():
        raise DataError(unfinished(Path(root, name)))
    atomic_write(Path(root, CURRENT), f'{name}\n')


def current_root(root: str | os.PathLike) -> Path | None:
    """Find the finished labels of a folder.

    Args:
        root: A folder of labels, or of rounds.

    Returns:
        The folder itself if it has a manifest, else the round that
        ``current`` names; None if there is neither.

    Raises:
        DataError: If ``current`` names a round without a manifest.
    """
    root = Path(root)
    if (root / MANIFEST).is_file():
        return root
    try:
        name = (root / CURRENT).read_text(encoding='utf-8').strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not name or not (root / name / MANIFEST).is_file():
        raise DataError(
            f'{str(root / CURRENT)!r} names the round {name!r}, which has no '
            f'{MANIFEST}; remove this file, or write the name of a finished '
            'round into it'
        )
    return root / name


def check_pseudo_labels(
    root: str | os.PathLike,
    classes: Sequence[str],
    keys: Collection[str],
    suffix: str = '.png',
) -> PseudoLabelManifest:
    """Check that pseudo-labels are finished and belong to a data set.

    Args:
        root: A folder of labels, or of rounds.
        classes: Names of the data set's train ids in order.
        keys: Keys of all its images.
        suffix: Suffix of the files that must be there for each key.

    Returns:
        The manifest of the finished labels.

    Raises:
        DataError: If they are unfinished, of other classes or images, or a
            file is missing.
    """
    folder = current_root(root)
    if folder is None:
        raise DataError(unfinished(root))
    manifest = PseudoLabelManifest.read(folder)
    _require_same_classes(folder, manifest.classes, tuple(classes))
    found = list_keys(str(folder), suffix)
    if manifest.keys_sha256 != keys_digest(keys):
        raise DataError(_other_images(folder, manifest, keys, found))
    if suffix == '.npz' and manifest.options.get('soft_top_k') is None:
        raise DataError(
            f'the pseudo-labels in {str(folder)!r} have no probabilities; '
            f'{REMEDY} and pseudo_labels.soft_top_k set in the config'
        )
    reason = f'restore them from a copy, or {REMEDY}'
    if suffix == '.npz':
        reason += ' and pseudo_labels.soft_top_k set in the config'
    require_keys(sorted(keys), found, str(folder), suffix, reason)
    return manifest


def _require_same_classes(
    folder: Path, labelled: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    if labelled != expected:
        raise DataError(
            f'the pseudo-labels in {str(folder)!r} have {len(labelled)} '
            f'classes ({", ".join(labelled)}), the data set has '
            f'{len(expected)} ({", ".join(expected)}); generate '
            'pseudo-labels with this config, or choose their label_set'
        )


def _other_images(
    folder: Path,
    manifest: PseudoLabelManifest,
    keys: Collection[str],
    found: Collection[str],
) -> str:
    """Message that labels are of another list of images."""
    strange = sorted({*keys} - {*found}) or sorted({*found} - {*keys})
    example = f' ({strange[0]!r} is in one of them only)' if strange else ''
    return (
        f'the pseudo-labels in {str(folder)!r} are of other images: of '
        f'{manifest.num_images}, the data set has {len(keys)}{example}; '
        'generate pseudo-labels with this config, or correct '
        'pseudo_label_root, data_prefix, ann_file, include or exclude'
    )
