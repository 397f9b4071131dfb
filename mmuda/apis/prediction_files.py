# Copyright (c) mmuda authors.
"""Files of predictions: their names, what each holds, and which are there."""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from mmuda.apis.segmentation import Segmentation
from mmuda.datasets.images.image_io import read_bytes, require_complete
from mmuda.datasets.server_formats import FORMATS
from mmuda.utils.drawing import colourise
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_path, atomic_write
from mmuda.utils.json_files import read_json, written_format
from mmuda.utils.names import IGNORE_ID

#: Folders of what is written, by what it is; the first is always there.
LABELS, OVERLAY, ENTROPY = 'labels', 'overlay', 'entropy'
PROBABILITIES = 'probabilities'
FOLDERS = (LABELS, OVERLAY, ENTROPY, PROBABILITIES)
TRAIN_IDS = 'train'
RECORD = 'predictions.json'
_FORMAT_VERSION = 1
_REMEDY = 'name another folder, or replace them by --overwrite'
_ENDINGS = {PROBABILITIES: '.npz'}


class _Record(TypedDict):
    network: dict[str, Any]
    # Images by file, as paths below the folder, of each input.
    inputs: dict[str, dict[str, str]]


@dataclass(frozen=True)
class PredictionFiles:
    """Where predictions of images are written, and as what.

    Attributes:
        folder: Each kind of file has a folder in it, in which the folders of
            the images are repeated.
        kinds: Of ``FOLDERS``, what is written beside the labels.
        ids: ``train``, with the colours of the classes as a palette, or the
            ids of a server, a key of ``FORMATS``, in grey.
        classes: Of the network.

    Raises:
        ConfigError: The server has no id for a class.
    """

    folder: Path
    kinds: tuple[str, ...] = ()
    ids: str = TRAIN_IDS
    classes: tuple[str, ...] = ()
    _table: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.ids == TRAIN_IDS:
            return
        table = np.full(256, IGNORE_ID, np.uint8)
        known = FORMATS[self.ids].table(self.classes, '--ids')
        table[: len(known)] = known
        object.__setattr__(self, '_table', table)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a prediction has to hold for them."""
        asked = [k for k in self.kinds if k in (ENTROPY, PROBABILITIES)]
        return 'labels', *asked

    def paths(self, name: str) -> dict[str, Path]:
        """Files of an image, by what they hold.

        Args:
            name: Of the image, with ``/`` and without an ending.
        """
        return {
            kind: self.folder / kind / (name + _ENDINGS.get(kind, '.png'))
            for kind in FOLDERS
            if kind == LABELS or kind in self.kinds
        }

    def are_whole(self, name: str, image: str | os.PathLike) -> bool:
        """Whether all files of an image are there and newer than it.

        Args:
            name: As of :meth:`paths`.
            image: The file that they are of.
        """
        try:
            taken = os.stat(image).st_mtime_ns
            for path in self.paths(name).values():
                if path.stat().st_mtime_ns < taken:
                    return False
                if path.suffix == '.png':
                    require_complete(read_bytes(str(path)), str(path))
        except (OSError, DataError):
            return False
        return True

    def write(self, name: str, result: Segmentation) -> None:
        """Write all files of an image, each whole or not at all.

        Args:
            name: As of :meth:`paths`.
            result: The prediction.
        """
        # What is looked at first by a run that goes on comes last.
        for kind, path in reversed(self.paths(name).items()):
            with atomic_path(path) as temporary:
                if kind == LABELS and self._table is None:
                    result.label_picture().save(temporary)
                elif kind == PROBABILITIES:
                    assert result.probabilities is not None, 'asked for'
                    half = result.probabilities.astype(np.float16)
                    np.savez_compressed(
                        temporary, probabilities=half, classes=self.classes
                    )
                else:
                    picture = Image.fromarray(self.picture(kind, result))
                    # A photo is no smaller if it is packed for longer.
                    picture.save(temporary, compress_level=1)

    def picture(self, kind: str, result: Segmentation) -> np.ndarray:
        """What is shown of a prediction.

        Args:
            kind: ``labels``, ``overlay`` or ``entropy``.
            result: The prediction.

        Returns:
            (H', W', 3) RGB, or (H, W) ids of a server; uint8.
        """
        if kind == OVERLAY:
            return result.overlay()
        if kind == ENTROPY:
            return result.entropy_picture()
        if self._table is not None:
            return self._table[result.label_map]
        return colourise(result.label_map, result.palette)


def claim_folder(
    folder: Path,
    network: Mapping[str, Any],
    given: Mapping[str, Mapping[Path, str]],
    overwrite: bool,
) -> None:
    """Compare what made the files of a folder with what will make them.

    A run that goes on would mix predictions of two networks otherwise, take
    those of another image for its own, or replace files of somebody else.
    Files of the inputs that will be replaced, or whose names have become those
    of other images, are removed.

    Args:
        folder: Of the results; gets a record of the network and, by input,
            of the files.
        network: What decides the predictions, as plain values.
        given: By path of an image, folder or video, or name of a camera, the
            files that will be written, with the image of each.
        overwrite: Whether files that are there are replaced.

    Raises:
        ConfigError: Two inputs share a file; or files are of another network,
            of another input, or nobody knows of what.
    """
    now = _files_below(folder, given)
    inputs, changed = _known(folder, network, overwrite)
    own = {name: inputs.pop(name, {}) for name in given}
    there = {
        name: {file for file in files if (folder / file).exists()}
        for name, files in now.items()
    }
    stale = {name: _stale(own[name], now[name], changed) for name in given}
    for name in given:
        if not overwrite:
            _require_own(folder, name, there[name] - set(own[name]))
    # Before the record says that they are of this network: a run that is
    # stopped halfway leaves none of another one.
    for name in given:
        for file in stale[name] | there[name] if overwrite else stale[name]:
            (folder / file).unlink(missing_ok=True)
    written = set(chain.from_iterable(now.values()))
    left = {name: _without(own[name], stale[name]) for name in given} | {
        other: _without(images, written) for other, images in inputs.items()
    }
    left = {} if changed else left
    left |= {name: left.get(name, {}) | now[name] for name in given}
    content = dict(network=dict(network), inputs=left)
    content = written_format(_FORMAT_VERSION) | content
    atomic_write(folder / RECORD, json.dumps(content, indent=1) + '\n')


def _known(
    folder: Path, network: Mapping[str, Any], overwrite: bool
) -> tuple[dict[str, dict[str, str]], bool]:
    """Recorded files by input, and whether another network made them.

    Raises:
        ConfigError: One did, and they are not replaced.
    """
    stored = _stored(folder / RECORD, overwrite)
    inputs, changed = stored['inputs'], stored['network'] != network
    if changed and inputs and not overwrite:
        differ = _differences(stored['network'], network)
        raise ConfigError(
            f'--out {str(folder)!r} holds predictions that were made '
            f'otherwise ({differ}); {_REMEDY}'
        )
    return inputs, changed


def _files_below(
    folder: Path, given: Mapping[str, Mapping[Path, str]]
) -> dict[str, dict[str, str]]:
    """Images by file below the folder, of each input."""
    owners: dict[str, str] = {}
    now: dict[str, dict[str, str]] = {}
    for name, files in given.items():
        now[name] = {
            path.relative_to(folder).as_posix(): image
            for path, image in files.items()
        }
        for file in now[name]:
            if owners.setdefault(file, name) != name:
                raise ConfigError(
                    f'{owners[file]!r} and {name!r} would both be written to '
                    f'{str(folder / file)!r}; predict a folder that holds '
                    'both, or name an --out for each'
                )
    return now


def _require_own(folder: Path, given: str, foreign: Collection[str]) -> None:
    if foreign:
        raise ConfigError(
            f'--out {str(folder)!r}: {str(folder / min(foreign))!r} is there '
            f'and of no prediction of {given!r} that is known; {_REMEDY}'
        )


def _without(
    images: Mapping[str, str], files: Collection[str]
) -> dict[str, str]:
    return {file: i for file, i in images.items() if file not in files}


def _stored(path: Path, overwrite: bool) -> _Record:
    """What a record says; nothing if there is none."""
    if path.is_file():
        try:
            stored = read_json(path, _REMEDY, _Record, newest=_FORMAT_VERSION)
            for file in chain.from_iterable(stored['inputs'].values()):
                _require_result(path, file)
            return stored
        except DataError:
            # Its remedy.
            if not overwrite:
                raise
    return _Record(network={}, inputs={})


def _require_result(record: Path, file: str) -> None:
    """Raise a DataError if a record names what may be anybody's file."""
    kind, *below = Path(os.path.normpath(file)).parts
    if kind not in FOLDERS or not below:
        raise DataError(
            f'{str(record)!r} is damaged: it names {file!r}, which is no file '
            f'of a prediction; {_REMEDY}'
        )


def _stale(
    own: Mapping[str, str], now: Mapping[str, str], all_kinds: bool
) -> set[str]:
    """Recorded files of an input that no longer show what their names say.

    An image that comes to another one of its name changes the names of both.

    Args:
        own: Images by recorded file, as paths below the folder of results.
        now: Likewise those that will be written.
        all_kinds: Whether no file of an image of ``now`` is valid any longer.
    """
    images = {_name(file): image for file, image in now.items()}
    names = {image: name for name, image in images.items()}
    return {
        file
        for file, image in own.items()
        if images.get(_name(file), image) != image
        or names.get(image, _name(file)) != _name(file)
        or (all_kinds and image in names)
    }


def _name(file: str) -> str:
    """Name of a file's image, without its kind and ending."""
    return os.path.splitext(file.partition('/')[2])[0]


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    keys = [key for key in now if then.get(key) != now[key]]
    return ', '.join(keys) or 'by another version'
