# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a folder of pseudo-labels says of itself."""

import json
import os
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.version import __version__

MANIFEST = 'manifest.json'
FORMAT_VERSION = 1
REMEDY = 'generate the pseudo-labels anew with --overwrite'


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
    num_images: int
    keys_sha256: str
    rule: dict
    options: dict
    thresholds: dict[str, float | None]
    pixels: dict[str, int]
    kept: dict[str, int]
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
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            raise DataError(unfinished(root)) from None
        except OSError as error:
            raise DataError(
                f'cannot read {str(path)!r}: {error.strerror}'
            ) from error
        except ValueError as error:
            raise _damaged(path, 'is no JSON') from error
        return cls(**_checked(content, path))


def unfinished(root: str | os.PathLike) -> str:
    """Message that a folder has no manifest."""
    return (
        f'{str(root)!r} holds no finished pseudo-labels: it has no '
        f'{MANIFEST}; run tools/generate_pseudo_labels.py, which also '
        'finishes what a stopped run began, or correct pseudo_label_root '
        '(labels made by other programs need trust=True in the transform '
        'that loads them)'
    )


def _checked(content: object, path: Path) -> dict:
    """Return the fields of a manifest; JSON has lists for tuples."""
    if not isinstance(content, dict):
        raise _damaged(path, 'is no JSON object')
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
        # Such as ``dict`` of ``dict[str, int]``, and JSON's list for tuple.
        kind = getattr(known[name].type, '__origin__', known[name].type)
        if not isinstance(value, list if kind is tuple else kind):
            raise _damaged(path, f'has {name}={value!r}')
        content[name] = kind(value)
    for name in ('thresholds', 'pixels', 'kept'):
        if {*content[name]} != {*content['classes']}:
            raise _damaged(path, f'has {name} of other classes')
    return content


def _damaged(path: Path, fault: str) -> DataError:
    return DataError(f'{str(path)!r} is damaged: it {fault}; {REMEDY}')
