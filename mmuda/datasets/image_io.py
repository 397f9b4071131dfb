# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading image and label files so that a faulty one is an error."""

import io

import cv2
import numpy as np
from PIL import Image

from mmuda.datasets.lookup import UNKNOWN_ID
from mmuda.utils.errors import DataError

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_REPAIR = 'it is damaged or no image; download or write it again'
# Where a file's end mark is looked for; some cameras append padding to it.
_TAIL = 4096


def read_bytes(path: str) -> bytes:
    """Read a file, or raise a DataError that names it."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except OSError as error:
        raise DataError(f'cannot read {path!r}: {error.strerror}') from error


def require_complete(data: bytes, path: str) -> None:
    """Raise a DataError for a PNG or JPEG that is cut off.

    OpenCV decodes what there is of a truncated JPEG, and in some versions of
    a truncated PNG, without an error.
    """
    if data.startswith(_PNG_SIGNATURE):
        complete = b'IEND' in data[-_TAIL:]
    elif data.startswith(b'\xff\xd8'):
        complete = b'\xff\xd9' in data[-_TAIL:]
    else:
        complete = bool(data)
    if not complete:
        # Cut off, or with much appended to it: Pillow tells, but slowly.
        try:
            Image.open(io.BytesIO(data)).load()
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f'cannot read {path!r}: {_REPAIR}') from error


def decode_ids(data: bytes, path: str, channel: int | None) -> np.ndarray:
    """Decode a label file without changing its values.

    Pillow keeps palette indices but cuts 16-bit colour to 8 bits; OpenCV does
    the reverse. So the file's header decides which of them reads it.

    Args:
        data: The file's content.
        path: The file's name, for messages.
        channel: Channel in RGB order if there are several.

    Returns:
        (H, W) unsigned integers of 8 or 16 bits.

    Raises:
        DataError: If the file cannot be decoded, or has several channels
            and ``channel`` is None.
    """
    require_complete(data, path)
    try:
        if _is_deep_colour_png(data):
            flat = np.frombuffer(data, np.uint8)
            ids = cv2.imdecode(flat, cv2.IMREAD_UNCHANGED)
            # OpenCV orders channels as BGR(A).
            ids = None if ids is None else ids[..., 2::-1]
        else:
            ids = np.asarray(Image.open(io.BytesIO(data)))
    except (OSError, SyntaxError, ValueError, cv2.error) as error:
        raise DataError(f'cannot read {path!r}: {_REPAIR}') from error
    if ids is None:
        raise DataError(f'cannot read {path!r}: {_REPAIR}')
    if ids.ndim == 2:
        return ids
    if channel is None:
        raise DataError(
            f'label {path!r} has {ids.shape[2]} channels, expected one with '
            'class ids; point seg_map_suffix to the id files, or set '
            'label_channel to the channel (RGB order) with the ids'
        )
    return np.ascontiguousarray(ids[..., channel])


def _is_deep_colour_png(data: bytes) -> bool:
    """Whether the header says 16 bits a channel and three or four of them."""
    bit_depth, colour_type = data[24:25], data[25:26]
    return (
        data.startswith(_PNG_SIGNATURE)
        and bit_depth == b'\x10'
        and colour_type in (b'\x02', b'\x06')
    )


def map_ids(ids: np.ndarray, lut: np.ndarray, path: str) -> np.ndarray:
    """Map label ids to train ids.

    Args:
        ids: (H, W) integers.
        lut: (>= 256,) uint8 train ids, ``UNKNOWN_ID`` where undefined.
        path: The file of the ids, for the message.

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
        raise DataError(
            f'label {path!r} has ids {unknown[:10]} that its data set does '
            f'not define (known are {_ranges(known.tolist())}); correct '
            'label_table or seg_map_suffix, or the file'
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
