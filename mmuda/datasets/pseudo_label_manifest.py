# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a folder of pseudo-labels says of itself."""

import json
import os
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, get_origin

from mmuda.utils.checks import WHOLE
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json
from mmuda.utils.value_types import find_fault
from mmuda.version import __version__

MANIFEST = 'manifest.json'
FORMAT_VERSION = 1
REMEDY = 'generate the pseudo-labels anew with --overwrite'
_Count = Annotated[int, WHOLE]


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
        return cls(**_checked(read_json(path, REMEDY), path))


def unfinished(root: str | os.PathLike) -> str:
    """Message that a folder has no manifest."""
    return (
        f'{str(root)!r} holds no finished pseudo-labels: it has no '
        f'{MANIFEST}; run tools/generate_pseudo_labels.py, which also '
        'finishes what a stopped run began, or correct pseudo_label_root '
        '(labels made by other programs need trust=True in the transform '
        'that loads them)'
    )


def _checked(content: dict, path: Path) -> dict:
    """Return the fields of a manifest; JSON has lists for tuples."""
    version = content.get('format_version')
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise DataError(
            f'{str(path)!r} has the format {version}, written by mmuda '
            f'{content.get("mmuda_version")}; this is mmuda {__version__}, '
            f'which reads up to {FORMAT_VERSION}: install a later one, or '
            f'{REMEDY}'
        )
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
