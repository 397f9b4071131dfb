# Copyright (c) mmuda authors.
"""What can be predicted: arrays, files, folders, videos, cameras, generators.

Networks are trained on images of 8 bits with three colours. What is something
else is converted if that is safe, with a note, or refused in words.
"""

import io
import os
import posixpath
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from mmuda.apis.prediction_files import FOLDERS, RECORD
from mmuda.apis.video_files import (
    VIDEO_EXTENSIONS,
    missing_frames,
    read_frames,
    require_video,
    video_facts,
)
from mmuda.datasets.images.image_header import PNG_SIGNATURE, open_image
from mmuda.datasets.images.image_io import read_bytes
from mmuda.datasets.sets.listing import IMAGE_EXTENSIONS, list_files
from mmuda.utils.errors import DataError

ChannelOrder = Literal['bgr', 'rgb']
# Modes of Pillow by what a network was not trained on.
_GREY = ('1', 'L', 'LA', 'I', 'I;16', 'I;16B', 'I;16L')
_ALPHA = ('RGBA', 'LA', 'PA', 'RGBa')
_DEEP = ('I', 'I;16', 'I;16B', 'I;16L')
_NO_IMAGES = (bytes, bytearray, io.IOBase, Mapping, Tensor)
_FLOATS = 'pass (image * 255).round().astype(numpy.uint8)'


class InputWarning(UserWarning):
    """An image is of another kind than those of the training."""


class Note(NamedTuple):
    """Something unusual about an image.

    Attributes:
        kind: Of which a user is told once.
        text: For the user.
    """

    kind: str
    text: str


class Item(NamedTuple):
    """An image to predict.

    Attributes:
        image: (H, W, 3) array; None to read it from ``path``.
        path: The image or video; None of an array.
        is_bgr: Whether the order of channels is known, as of videos.
        notes: About what ``image`` no longer tells.
    """

    image: np.ndarray | None
    path: str | None
    is_bgr: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        return repr(self.path) if self.path else 'an array'


def is_single(inputs: Any) -> bool:
    """Whether one image is given, and one result is due."""
    if isinstance(inputs, np.ndarray | Image.Image):
        return True
    return (
        isinstance(inputs, str | os.PathLike)
        and not os.path.isdir(inputs)
        and not is_video(inputs)
    )


def is_video(inputs: Any) -> bool:
    """Whether a camera or the path of a video is given."""
    if isinstance(inputs, int) and not isinstance(inputs, bool):
        return True
    return isinstance(inputs, str | os.PathLike) and (
        os.path.splitext(inputs)[1].lower() in VIDEO_EXTENSIONS
    )


def items_of(inputs: Any) -> Iterator[Item]:
    """Go through the images of what was given, one after another.

    Args:
        inputs: As of ``Segmenter.predict``.

    Returns:
        Images, of which a list or generator is asked for as they are needed.

    Raises:
        DataError: A file or folder is missing, or the folder has no images.
    """
    if is_single(inputs):
        item = item_of(inputs)
        if item.image is None:
            require_image(item.path or '')
        return iter([item])
    if is_video(inputs):
        path = None if isinstance(inputs, int) else os.fspath(inputs)
        if path is not None:
            require_video(path)
        return _of_video(inputs, path)
    if isinstance(inputs, str | os.PathLike):
        files = (os.path.join(inputs, name) for name in images_in(inputs))
        return (Item(None, path) for path in files)
    if isinstance(inputs, Iterable) and not isinstance(inputs, _NO_IMAGES):
        return map(item_of, inputs)
    raise _unknown(inputs)


def require_image(path: str) -> None:
    """Raise a DataError if a path is not that of one image."""
    if os.path.isdir(path) or is_video(path):
        raise DataError(
            f'{path!r} holds several images; pass it alone, not in a list'
        )
    if not os.path.isfile(path):
        raise DataError(
            f'{path!r}: no such image, folder or video; correct the path'
        )
    if os.path.splitext(path)[1].lower() in IMAGE_EXTENSIONS:
        return
    try:
        open_image(read_bytes(path), path)
    except DataError as error:
        endings = ', '.join(sorted(VIDEO_EXTENSIONS))
        raise DataError(
            f'{path!r} is no image; let a video end in one of {endings}, and '
            'pass the folder of several images'
        ) from error


def _of_video(source: Any, path: str | None) -> Iterator[Item]:
    count = 0
    for frame in read_frames(source):
        count += 1
        yield Item(frame, path, True)
    frames = None if path is None else video_facts(path).frames
    fault = missing_frames(source, count, frames)
    if fault is not None:
        warnings.warn(fault, InputWarning, stacklevel=2)


def item_of(given: Any) -> Item:
    """One image as it was given.

    Raises:
        DataError: It is neither an image nor the path of a file.
    """
    if isinstance(given, np.ndarray):
        return Item(given, None)
    if isinstance(given, Image.Image):
        path = getattr(given, 'filename', None) or None
        item = Item(_of_pillow(given), path, is_bgr=True)
        if given.mode == 'LA':
            item = item._replace(notes=(_grey(item.name),))
        return item
    if isinstance(given, str | os.PathLike):
        return Item(None, os.fspath(given))
    raise _unknown(given)


def images_in(
    folder: str | os.PathLike, without: Sequence[Path] = ()
) -> list[str]:
    """List the images of a folder and of those in it.

    Args:
        folder: The folder.
        without: Folders that are left out, as results of earlier runs are.

    Returns:
        Paths below the folder with ``/``, sorted.

    Raises:
        DataError: It can't be read, or has no images.
    """
    files = list_files(os.fspath(folder))
    written = tuple(
        name.removesuffix(RECORD) + f'{kind}/'
        for name in files
        if posixpath.basename(name) == RECORD
        for kind in FOLDERS
    )
    names = [
        name
        for name in files
        if os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS
        and not name.startswith(written)
    ]
    if without:
        root, results = Path(folder).resolve(), {p.resolve() for p in without}
        names = [n for n in names if results.isdisjoint((root / n).parents)]
    if not names:
        raise _no_images(os.fspath(folder), files)
    return sorted(names)


def _no_images(folder: str, files: Sequence[str]) -> DataError:
    endings = ', '.join(sorted(IMAGE_EXTENSIONS))
    remedy = 'correct the path'
    for video in filter(is_video, files):
        remedy = f'name the video, {os.path.join(folder, video)!r}'
    return DataError(f'{folder!r} has no images ({endings}); {remedy}')


def notes_of_file(path: str) -> list[Note]:
    """Notes about the kind of pixels that an image file has.

    Args:
        path: Of an image that has been read.
    """
    data, name = read_bytes(path), repr(path)
    mode = open_image(data, path).mode
    # Of colours of 16 bits Pillow says that they are RGB.
    deep = data.startswith(PNG_SIGNATURE) and data[24] == 16
    found = (
        (mode in _GREY, _grey(name)),
        (mode in _ALPHA, _alpha(name)),
        (deep or mode in _DEEP, _deep(name)),
    )
    return [note for is_so, note in found if is_so]


def as_bgr(
    image: np.ndarray, order: ChannelOrder, name: str
) -> tuple[np.ndarray, list[Note]]:
    """Convert an array to what networks are trained on.

    Args:
        image: (H, W, 3), (H, W, 4) with alpha, or grey (H, W) or (H, W, 1).
        order: Of its channels.
        name: Of the image, for messages.

    Returns:
        (H, W, 3) uint8 BGR, and notes about what was converted.

    Raises:
        DataError: It is of another shape, or its values are no pixels.
    """
    notes: list[Note] = []
    image = _as_bytes(image, name, notes)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or not image.size:
        raise _wrong_shape(image.shape, name)
    if image.shape[2] == 1:
        notes.append(_grey(name))
        image = np.repeat(image, 3, axis=2)
    if image.shape[2] == 4:
        notes.append(_alpha(name))
        image = image[..., :3]
    if order == 'rgb':
        image = image[..., ::-1]
    return np.ascontiguousarray(image), notes


def as_stored(image: np.ndarray, order: ChannelOrder, name: str) -> np.ndarray:
    """An array as a file that is read unchanged would give it.

    Args:
        image: (H, W) or (H, W, C) in the units of the training.
        order: Of its first three channels, if there are as many.
        name: Of the image, for messages.

    Returns:
        The same values, the first three channels BGR.

    Raises:
        DataError: It is of another shape, or holds what is no number.
    """
    if image.ndim not in (2, 3) or not image.size:
        raise _wrong_shape(image.shape, name)
    if image.dtype.kind not in 'iuf' or not np.isfinite(image).all():
        raise DataError(f'{name} holds values that are no finite numbers')
    if image.ndim == 3 and image.shape[2] > 2 and order == 'rgb':
        rest = image[..., 3:]
        image = np.concatenate([image[..., 2::-1], rest], axis=2)
    return np.ascontiguousarray(image)


def _as_bytes(image: np.ndarray, name: str, notes: list[Note]) -> np.ndarray:
    if image.dtype == np.uint8 or not image.size:
        return image
    if image.dtype.kind not in 'iuf':
        raise DataError(f'{name} holds {image.dtype}, which are no pixels')
    if image.dtype.kind == 'u' and image.dtype.itemsize == 2:
        notes.append(_deep(name))
        # As OpenCV does when it reads such a file, of dark images, too.
        return (image >> 8).astype(np.uint8)
    least, most = image.min(), image.max()
    if image.dtype.kind == 'f':
        if not np.isfinite([least, most]).all():
            raise DataError(f'{name} holds values that are not finite')
        if least >= 0 and 0 < most <= 1:
            raise DataError(
                f'{name} is floating point from {least:g} to {most:g}, and '
                f'the network was trained on pixels from 0 to 255: {_FLOATS}'
            )
        image = np.rint(image)
    if least < 0 or most > 255:
        raise DataError(
            f'{name} holds values from {least:g} to {most:g}, and pixels go '
            'from 0 to 255; images that are normalised already are not '
            'predicted: pass them as they were'
        )
    return image.astype(np.uint8)


def _wrong_shape(shape: tuple[int, ...], name: str) -> DataError:
    remedy = 'pass (H, W, 3)'
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        remedy = 'channels come last: pass image.transpose(1, 2, 0)'
    elif len(shape) == 4:
        remedy = 'pass several images as a list, list(images)'
    return DataError(f'{name} has the shape {shape}, no image; {remedy}')


def _of_pillow(image: Image.Image) -> np.ndarray:
    """Pixels in the order of OpenCV: grey (H, W), BGR or BGR and alpha."""
    if image.mode in (*_DEEP, 'F', '1', 'L'):
        grey = image.convert('L') if image.mode == '1' else image
        values = np.asarray(grey)
        # What Pillow before version 11 opens images of 16 bits as.
        if values.dtype == np.int32 and _of_16_bits(values):
            values = values.astype(np.uint16)
        return values
    mode = 'RGBA' if image.mode in _ALPHA else 'RGB'
    values = np.asarray(image.convert(mode))
    return np.concatenate([values[..., 2::-1], values[..., 3:]], axis=2)


def _of_16_bits(values: np.ndarray) -> bool:
    return values.size > 0 and values.min() >= 0 and values.max() < 1 << 16


def _grey(name: str) -> Note:
    return Note(
        'grey',
        f'{name} is grey, and the network was trained on colours: its value '
        'is taken for all three',
    )


def _alpha(name: str) -> Note:
    return Note('alpha', f'{name} has an alpha channel, which is dropped')


def _deep(name: str) -> Note:
    return Note(
        'depth',
        f'{name} has 16 bits a channel, and the network was trained on 8: the '
        'upper ones are taken; a dark result needs another scale',
    )


def _unknown(inputs: Any) -> DataError:
    return DataError(
        f'a {type(inputs).__name__} is no image; pass an array (H, W, 3), a '
        'path, the number of a camera, or a list or generator of images'
    )
