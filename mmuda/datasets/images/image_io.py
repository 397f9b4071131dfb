# Copyright (c) mmuda authors.
"""The one place where image and label files are read.

Images are given as a viewer shows them: turned by their EXIF orientation.
"""

import os
from zlib import crc32

import cv2
import mmcv
import numpy as np

from mmuda.datasets.images.image_header import (
    PNG_SIGNATURE,
    REPAIR,
    ImageHeader,
    image_header,
    jpeg_frame,
    open_image,
    pixel_kind,
)
from mmuda.datasets.labels.label_maps import UNKNOWN_ID
from mmuda.utils.errors import DataError
from mmuda.utils.json_files import read_plain_file
from mmuda.utils.names import IGNORE_ID

# Where a file's end mark is looked for; some cameras append padding to it.
_TAIL = 4096
# An uncompressed image of the largest size that is decoded has half of it.
MAX_FILE_BYTES = 2**31
STORED = '_ignore_orientation'  # ending of mmcv's flags
UNCHANGED = 'unchanged'
# Backends of mmcv that never turn an image.
_NEVER_TURN = ('turbojpeg', 'tifffile')
# Formats that change the ids of a label, and compressions of TIFF that do.
_LOSSY_FORMATS = ('JPEG', 'MPO', 'JPEG2000')
_LOSSY_TIFF = ('jpeg', 'tiff_jpeg', 'webp')


def read_bytes(path: str, limit: int = MAX_FILE_BYTES) -> bytes:
    """Read a file.

    Args:
        path: The file.
        limit: Bytes that it may have.

    Raises:
        DataError: If there is no such file, or it is a pipe or a device,
            which may never end, or too large.
    """
    return read_plain_file(path, 'download or write it again', limit)


def require_complete(data: bytes, path: str) -> None:
    """Raise a DataError for a PNG or JPEG that is cut off.

    OpenCV decodes what there is of a truncated JPEG, and in some versions of
    a truncated PNG, without an error; Pillow does not compare the pixels of a
    PNG with their checksum.
    """
    if data.startswith(PNG_SIGNATURE):
        if not _chunks_are_whole(data):
            raise DataError(f'cannot read {path!r}: {REPAIR}')
        return
    if data.startswith(b'\xff\xd8'):
        # A thumbnail before the image has an end mark, too.
        start = max(len(data) - _TAIL, jpeg_frame(data)[0] or 0)
        complete = b'\xff\xd9' in data[start:]
    else:
        complete = bool(data)
    if not complete:
        # Cut off, or with much appended to it: Pillow tells, but slowly.
        try:
            open_image(data, path).load()
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f'cannot read {path!r}: {REPAIR}') from error


def _chunks_are_whole(data: bytes) -> bool:
    """Whether what makes the pixels of a PNG fits its checksums."""
    start = len(PNG_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], 'big')
        kind = data[start + 4 : start + 8]
        checksum = int.from_bytes(data[end : end + 4], 'big')
        # Texts and the like begin with a small letter, and may be wrong.
        if kind[:1].isupper() and checksum != crc32(data[start + 4 : end]):
            return False
        if kind == b'IEND':
            return True
        start = end + 4
    return False


def decode_image(
    data: bytes,
    path: str,
    flag: str = 'color',
    backend: str | None = 'cv2',
) -> tuple[np.ndarray, ImageHeader]:
    """Decode an image and turn it as a viewer does.

    Args:
        data: The file's content.
        path: The file's name, for messages.
        flag: Of ``mmcv.imfrombytes``. With ``_ignore_orientation`` the pixels
            come as they are stored; ``unchanged`` gives any number of channels
            and bits, and fractions.
        backend: Of ``mmcv.imfrombytes``.

    Returns:
        (H, W, 3) uint8 BGR for ``color``, and what the file says of itself.

    Raises:
        DataError: If it is damaged, no image or too large, or has fractions
            or values that are no numbers.
    """
    require_complete(data, path)
    header = image_header(data, path)
    if not flag.startswith(UNCHANGED):
        _refuse_fractions(data, path, header)
    try:
        image = mmcv.imfrombytes(
            data, flag=_stored_flag(flag, backend), backend=backend
        )
    except (OSError, SyntaxError, ValueError, cv2.error) as error:
        raise DataError(f'cannot read {path!r}: {REPAIR}') from error
    if image is None:
        raise DataError(f'cannot read {path!r}: {REPAIR}')
    largest = np.finfo(np.float32).max  # networks compute in it
    if image.dtype.kind == 'f' and not (abs(image) <= largest).all():
        raise DataError(
            f'{path!r} holds values that are not finite; fill them'
        )
    if header.orientation > 1:
        # OpenCV and Pillow turn a TIFF whatever they are told.
        if header.format == 'TIFF' and backend not in _NEVER_TURN:
            image = turn_back(image, header.orientation)
        if not flag.endswith(STORED):
            image = turn(image, header.orientation)
    return image, header


def _stored_flag(flag: str, backend: str | None) -> str:
    """Return the flag that does not turn the image."""
    base = flag.removesuffix(STORED)
    turns = backend not in _NEVER_TURN and base != 'unchanged'
    return base + STORED if turns else base


def _refuse_fractions(data: bytes, path: str, header: ImageHeader) -> None:
    """Raise a DataError for pixels that OpenCV would cut to 0 and 1."""
    if header.format == 'TIFF' and pixel_kind(data, path).has_fractions:
        raise DataError(
            f'cannot read {path!r}: its pixels are fractions (floating '
            'point); convert it to 8 bits, or read it in its own units by '
            "LoadImage(color_type='unchanged')"
        )


def read_image(path: str | os.PathLike, flag: str = 'color') -> np.ndarray:
    """Read an image as training does.

    Grey and palettes become colours, an alpha channel is dropped.

    Args:
        path: The file.
        flag: As of :func:`decode_image`.

    Returns:
        (H, W, 3) uint8 BGR for ``color``.

    Raises:
        DataError: The file is missing, damaged, too large or no image.
    """
    path = str(path)
    return decode_image(read_bytes(path), path, flag)[0]


def read_header(path: str | os.PathLike) -> ImageHeader:
    """Read what an image file says of itself.

    Raises:
        DataError: The file is missing, no image or too large.
    """
    path = str(path)
    return image_header(read_bytes(path), path)


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels (H, W, ...) as EXIF tells a viewer.

    Args:
        image: As stored.
        orientation: Of EXIF, 1 to 8.

    Returns:
        (H, W, ...), or (W, H, ...) from 5 on.
    """
    if orientation > 4:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def turn_back(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo :func:`turn`."""
    # Only turns by a quarter are not their own inverse.
    return turn(image, {6: 8, 8: 6}.get(orientation, orientation))


def decode_ids(data: bytes, path: str, channel: int | None) -> np.ndarray:
    """Decode a label file without changing its values.

    Pillow keeps palette indices but cuts 16-bit colour to 8 bits; OpenCV does
    the reverse. So the file's header decides which of them reads it.

    Args:
        data: The file's content.
        path: The file's name, for messages.
        channel: Channel in RGB order if there are several.

    Returns:
        (H, W) integers; -1, which ignores a pixel as 255 does, is 255.

    Raises:
        DataError: If the file cannot be decoded, was saved with loss, holds
            fractions, or has several channels and ``channel`` is None.
    """
    require_complete(data, path)
    ids = _decode_values(data, path, image_header(data, path))
    if ids.ndim == 3:
        ids = _one_channel(ids, path, channel)
    if ids.dtype.kind == 'b':
        return ids.astype(np.uint8)
    if ids.dtype.kind == 'f':
        ids = _whole_numbers(ids, path)
    return (
        ids if ids.dtype.kind == 'u' else np.where(ids == -1, IGNORE_ID, ids)
    )


def decode_colours(data: bytes, path: str) -> np.ndarray:
    """Decode a label file in colours without changing them.

    Args:
        data: The file's content.
        path: The file's name, for messages.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        DataError: If the file cannot be decoded, was saved with loss, or has
            no colours of 8 bits.
    """
    require_complete(data, path)
    values = _decode_values(data, path, image_header(data, path))
    if values.ndim != 3 or values.shape[2] < 3 or values.dtype != np.uint8:
        raise DataError(
            f'label {path!r} has no colours (three channels of 8 bits), and '
            'its data set has such labels, or numbers that are no ids; take '
            'the labels as they were recorded'
        )
    return values[..., :3]


def _decode_values(data: bytes, path: str, header: ImageHeader) -> np.ndarray:
    try:
        if _is_deep_colour_png(data):
            flat = np.frombuffer(data, np.uint8)
            ids = cv2.imdecode(flat, cv2.IMREAD_UNCHANGED)
            # OpenCV orders channels as BGR(A).
            ids = None if ids is None else ids[..., 2::-1]
        else:
            image = open_image(data, path)
            _refuse_loss(data, path, header, image.info)
            ids = np.asarray(image)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, cv2.error) as error:
        raise DataError(f'cannot read {path!r}: {REPAIR}') from error
    if ids is None:
        raise DataError(f'cannot read {path!r}: {REPAIR}')
    return ids


def _refuse_loss(
    data: bytes, path: str, header: ImageHeader, info: dict
) -> None:
    """Raise a DataError for a label whose ids its format has changed."""
    name = header.format
    if name == 'TIFF' and info.get('compression') in _LOSSY_TIFF:
        name = f'TIFF with {info["compression"]} compression'
    elif name == 'WEBP' and b'VP8 ' in data[:64]:
        name = 'WebP with loss'
    elif name not in _LOSSY_FORMATS:
        return
    raise DataError(
        f'label {path!r} is a {name} file, whatever its name: saving it '
        'changed the ids near edges; take the original labels, or write them '
        'again as PNG from what they were made of'
    )


def _one_channel(
    values: np.ndarray, path: str, channel: int | None
) -> np.ndarray:
    """Return the channel of (H, W, C) that holds the ids."""
    count = values.shape[2]
    if channel is not None and -count <= channel < count:
        return np.ascontiguousarray(values[..., channel])
    if channel is not None:
        raise DataError(
            f'label {path!r} has {count} channels, but label_channel is '
            f'{channel}; choose 0 to {count - 1} in the dataset config'
        )
    alike = (values[..., :3] == values[..., :1]).all()
    remedy = (
        'they are all alike: set label_channel=0 in the dataset config'
        if alike and count > 2
        else 'point seg_map_suffix to the id files, or set label_channel to '
        'the channel (RGB order) with the ids'
    )
    raise DataError(
        f'label {path!r} has {count} channels, expected one with class ids; '
        f'{remedy}'
    )


def _whole_numbers(values: np.ndarray, path: str) -> np.ndarray:
    """Return floating point ids as integers."""
    with np.errstate(invalid='ignore'):
        ids = values.astype(np.int32)
    if (ids != values).any():
        raise DataError(
            f'label {path!r} holds fractions, which are no class ids; save '
            'it as integers'
        )
    return ids


def _is_deep_colour_png(data: bytes) -> bool:
    """Whether the header says 16 bits a channel and three or four of them."""
    bit_depth, colour_type = data[24:25], data[25:26]
    return (
        data.startswith(PNG_SIGNATURE)
        and bit_depth == b'\x10'
        and colour_type in (b'\x02', b'\x06')
    )


def map_ids(ids: np.ndarray, lut: np.ndarray, path: str) -> np.ndarray:
    """Map label ids to train ids.

    Args:
        ids: (H, W) integers as :func:`decode_ids` gives them.
        lut: (>= 256,) uint8 train ids, ``UNKNOWN_ID`` where undefined.
        path: The file of the ids.

    Returns:
        (H, W) uint8 train ids.

    Raises:
        DataError: If an id is not defined.
    """
    if ids.dtype != np.uint8 and ids.min() >= 0 and ids.max() < 256:
        ids = ids.astype(np.uint8)
    if ids.dtype == np.uint8:
        # Six times as fast as NumPy's indexing.
        train_ids = cv2.LUT(ids, lut[:256])
    elif ids.min() >= 0 and ids.max() < lut.size:
        train_ids = lut[ids]
    else:
        train_ids = None
    if train_ids is None or (train_ids == UNKNOWN_ID).any():
        known = np.flatnonzero(lut != UNKNOWN_ID)
        unknown = np.setdiff1d(ids, known).tolist()
        keys = 'label_table, ' if known.size < lut.size else ''
        raise DataError(
            f'label {path!r} has ids {unknown[:10]} that its data set does '
            f'not define (known are {_ranges(known.tolist())}); correct {keys}'
            'seg_map_suffix, or the file'
        )
    return train_ids


def _ranges(ids: list[int]) -> str:
    """Write sorted ids as ``0-33, 255``."""
    runs: list[list[int]] = []
    for i in ids:
        if runs and i == runs[-1][1] + 1:
            runs[-1][1] = i
        else:
            runs.append([i, i])
    return ', '.join(f'{a}-{b}' if a < b else f'{a}' for a, b in runs)
