# Copyright (c) mmuda authors.
"""Pseudo-labels on disk: where the files are and what they were made of.

A folder of pseudo-labels holds ``<key>.png`` (uint8 train ids, 255 =
rejected) for each image, perhaps ``<key>.npz`` (soft labels), and
``manifest.json``. The manifest is written last, so a folder without it is
unfinished. Labels that are made anew during training lie in one such folder a
round, and a file ``current`` next to them names the newest finished one.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, get_origin

from typing_extensions import NotRequired, TypedDict

from mmuda.datasets.sets.listing import list_keys, require_keys
from mmuda.utils.checks import NOT_NEGATIVE, WHOLE
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json, read_plain_file
from mmuda.utils.names import MANIFEST
from mmuda.utils.text import shorten
from mmuda.utils.tool_commands import tool_command
from mmuda.utils.value_types import find_fault
from mmuda.version import __version__

FORMAT_VERSION = 1
REMEDY = 'generate the pseudo-labels anew with --overwrite'
_MOST_BYTES = 1 << 14  # of the name of a round
_Count = Annotated[int, WHOLE]
_Percent = Annotated[float, NOT_NEGATIVE] | None


class MeasuredClass(TypedDict):
    """How right the labels of a class are, in percent; None if it has none."""

    precision: _Percent
    recall: NotRequired[_Percent]


class LabelAccuracy(TypedDict):
    """Content of ``accuracy.json``, beside labels that were measured."""

    overall: NotRequired[_Percent]
    classes: dict[str, MeasuredClass]


def read_accuracy(
    file: str | Path, remedy: str = 'remove it'
) -> LabelAccuracy:
    """Read how many labels of each class are right.

    Args:
        file: ``accuracy.json`` of a folder of pseudo-labels.
        remedy: What to do about a damaged file.

    Raises:
        DataError: It is missing or damaged.
    """
    return read_json(file, remedy, LabelAccuracy)


@dataclass(frozen=True)
class PseudoLabelManifest:
    """What a folder of pseudo-labels holds and how it was made.

    Attributes:
        classes: Names of the train ids in order.
        num_images: Number of label files.
        keys_sha256: See :func:`keys_digest`.
        rule: Config of the selection rule.
        options: Other options that the labels depend on.
        thresholds: Threshold of each class; None if it has none.
        pixels: Predicted pixels of each class.
        kept: Those that were not rejected.
        config: Name of the config file.
        checkpoints: ``file``, ``sha256`` and ``weight`` of each network.
        domain: Name of the domain in the config.
        mmuda_version: Version that wrote the labels.
        format_version: Version of this file's format.
    """

    classes: tuple[str, ...]
    num_images: _Count
    keys_sha256: str
    rule: dict
    options: dict
    thresholds: dict[str, float | None]
    pixels: dict[str, _Count]
    kept: dict[str, _Count]
    config: str
    checkpoints: tuple[dict, ...]
    domain: str = 'target'
    mmuda_version: str = __version__
    format_version: int = FORMAT_VERSION

    def write(self, root: str | os.PathLike) -> None:
        """Write ``manifest.json``, which makes a folder a finished one.

        Args:
            root: Folder of the labels.

        Raises:
            DataError: If the disk is full.
        """
        text = json.dumps(vars(self), indent=2, ensure_ascii=False)
        atomic_write(Path(root, MANIFEST), text + '\n')

    @classmethod
    def read(cls, root: str | os.PathLike) -> 'PseudoLabelManifest':
        """Read the manifest of a folder.

        Args:
            root: Folder of the labels.

        Raises:
            DataError: If there is none, it is damaged, or a later version of
                mmuda wrote it.
        """
        path = Path(root, MANIFEST)
        if not os.path.lexists(path):
            raise DataError(unfinished(root))
        content = read_json(path, REMEDY, newest=FORMAT_VERSION)
        return cls(**_checked(content, path))


def unfinished(root: str | os.PathLike) -> str:
    """Message that a folder has no manifest."""
    return (
        f'{str(root)!r} holds no finished pseudo-labels: it has no '
        f'{MANIFEST}; run {tool_command("generate_pseudo_labels.py")} CONFIG '
        'CHECKPOINT --out DIR, which also finishes what a stopped run began, '
        'or correct pseudo_label_root '
        '(labels made by other programs need trust=True in the transform '
        'that loads them)'
    )


def _checked(content: dict, path: Path) -> dict:
    """Return the fields of a manifest; JSON has lists for tuples."""
    known = {field.name: field for field in fields(PseudoLabelManifest)}
    for name, field in known.items():
        if field.default is MISSING and name not in content:
            raise _damaged(path, f'misses {name!r}')
    for name, value in content.items():
        if name not in known:
            raise _damaged(path, f'has the unknown entry {name!r}')
        kind = known[name].type
        fault = find_fault(value, kind, name)
        if fault is not None:
            raise _damaged(path, f'has {fault}')
        if get_origin(kind) is tuple:
            content[name] = tuple(value)
    for name in ('thresholds', 'pixels', 'kept'):
        if {*content[name]} != {*content['classes']}:
            raise _damaged(path, f'has {name} of other classes')
    return content


def _damaged(path: Path, fault: str) -> DataError:
    return DataError(f'{str(path)!r} is damaged: it {fault}; {REMEDY}')


__all__ = [
    'CURRENT',
    'MANIFEST',
    'PseudoLabelManifest',
    'check_pseudo_labels',
    'current_root',
    'keys_digest',
    'label_path',
    'names_inside',
    'publish_round',
    'soft_label_path',
    'unfinished',
]

CURRENT = 'current'


def keys_digest(keys: Iterable[str]) -> str:
    """SHA-256, as hexadecimal digits, of keys in any order."""
    return hashlib.sha256('\n'.join(sorted(keys)).encode()).hexdigest()


def names_inside(key: str) -> bool:
    """Whether a name that a file holds can be one of a file in a folder.

    Args:
        key: Of an image, or the name of a round.
    """
    parts = Path(key).parts
    inside = parts and '..' not in parts and not os.path.isabs(key)
    return bool(inside) and '\0' not in key


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
    if not os.path.lexists(root / CURRENT):
        return None
    remedy = 'remove this file, or write the name of a finished round into it'
    data = read_plain_file(root / CURRENT, remedy, _MOST_BYTES)
    name = data.decode(errors='replace').strip()
    finished = names_inside(name) and os.path.isfile(root / name / MANIFEST)
    if not finished:
        raise DataError(
            f'{str(root / CURRENT)!r} names the round '
            f'{shorten(repr(name))}, which has no {MANIFEST}; {remedy}'
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
    path_of = partial(os.path.join, str(folder))
    require_keys(sorted(keys), found, path_of, suffix, reason)
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
