# Copyright (c) mmuda authors.
"""What an image file says of itself, before anything is decoded."""

import io
import struct
from functools import lru_cache
from typing import NamedTuple

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mmuda.utils.errors import DataError

# Pillow opens others by programs of the system (EPS) or knows no pixels.
_FORMATS = (
    *('BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'PNG', 'PPM', 'TIFF'),
    'WEBP',
)
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
JPEG_SIGNATURE = b'\xff\xd8\xff'
_TIFF_SIGNATURES = (b'II*\0', b'MM\0*')
# Tags of TIFF: size, bits and meaning of values, and what is missing in files
# that have the default.
_WIDTH, _HEIGHT, _BITS, _ORIENTATION = 256, 257, 258, 274
_SAMPLES, _SAMPLE_FORMAT = 277, 339
_COLOURS, _PALETTE, _FLOATS = 262, 3, 3
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, struct.error, KeyError, TypeError),
    IndexError,
)
# Keyword of a text chunk with EXIF data, of older programs.
_PNG_PROFILE = b'Raw profile type exif'
# Where a PNG may have its EXIF data behind the pixels.
_TAIL = 4096
# Start of frame, of all codings, but not DHT, JPG and DAC between them.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
REPAIR = 'it is damaged or no image; download or write it again'


class ImageHeader(NamedTuple):
    """Size and kind of an image, as stored in its file.

    Attributes:
        width: Pixels in a row.
        height: Rows.
        orientation: Of EXIF, 1 to 8: how a viewer turns the stored pixels;
            1 if they are shown as they are.
        format: As Pillow names it, such as ``PNG``; None if it does not.
    """

    width: int
    height: int
    orientation: int
    format: str | None


class PixelKind(NamedTuple):
    """What the pixels of a file are.

    Attributes:
        channels: Values of a pixel, the colours of a palette being three.
        bits: Of each.
        has_fractions: Whether they are floating point.
    """

    channels: int
    bits: int
    has_fractions: bool = False


def max_pixels() -> float:
    """Pixels beyond which no image is decoded: twice Pillow's limit.

    That is 179 million (13,377 x 13,377). Where images are larger, set
    ``PIL.Image.MAX_IMAGE_PIXELS`` in a module of ``custom_imports``; None
    lifts the limit.
    """
    limit = Image.MAX_IMAGE_PIXELS
    return float('inf') if limit is None else 2 * limit


def image_header(data: bytes, path: str) -> ImageHeader:
    """Read the header of an image.

    Args:
        data: The file's content.
        path: The file's name, for messages.

    Raises:
        DataError: If it is none of an image, or of one too large to decode.
    """
    header = None
    if data.startswith(PNG_SIGNATURE):
        header = _png_header(data, path)
    elif data.startswith(JPEG_SIGNATURE):
        header = _jpeg_header(data, path)
    if header is None:
        header = _pillow_header(data, path)
    require_size(header.width, header.height, path)
    return header


def require_size(width: int, height: int, path: str) -> None:
    """Raise a DataError if an image has no pixels, or too many."""
    if min(width, height) < 1:
        raise DataError(f'{path!r} is of an image of {width}x{height} pixels')
    if width * height > max_pixels():
        raise DataError(
            f'{path!r} is of an image of {width}x{height} pixels, more than '
            f'{max_pixels():.0f}: it is damaged, or raise '
            'PIL.Image.MAX_IMAGE_PIXELS'
        )


def open_image(data: bytes, path: str) -> Image.Image:
    """Open an image with Pillow; nothing but the header is decoded.

    Args:
        data: The file's content.
        path: The file's name, for messages.

    Raises:
        DataError: If it is no image of a usual format, or too large.
    """
    try:
        return Image.open(io.BytesIO(data), formats=_formats())
    except Image.DecompressionBombError as error:
        raise DataError(f'{path!r}: {error}') from error
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise DataError(f'cannot read {path!r}: {REPAIR}') from error


@lru_cache
def _formats() -> tuple[str, ...]:
    """Those of the formats that this Pillow was built with."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def pixel_kind(data: bytes, path: str) -> PixelKind:
    """Tell what the pixels of an image are, without decoding them.

    Args:
        data: The file's content, or the begin of a PNG's.
        path: The file's name, for messages.

    Raises:
        DataError: If it is no image of a usual format.
    """
    if data.startswith(PNG_SIGNATURE) and len(data) > 25:
        channels = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(data[25], 3)
        return PixelKind(channels, 16 if data[24] == 16 else 8)
    if data.startswith(_TIFF_SIGNATURES):
        tags = _tiff_tags(data, path)
        bits, formats = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
        palette = tags.get(_COLOURS) == _PALETTE
        channels = 3 if palette else tags.get(_SAMPLES, len(bits))
        return PixelKind(channels, max(bits), _FLOATS in formats)
    bands = open_image(data, path).getbands()
    return PixelKind(3 if bands == ('P',) else len(bands), 8)


def _tiff_tags(data: bytes, path: str) -> ImageFileDirectory_v2:
    """Tags of the first image of a TIFF."""
    try:
        file = io.BytesIO(data)
        tags = ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
    except _UNREADABLE as error:
        raise DataError(f'cannot read {path!r}: {REPAIR}') from error
    return tags


def _tiff_header(data: bytes, path: str) -> ImageHeader:
    """The header of a TIFF that Pillow has no mode for."""
    tags = _tiff_tags(data, path)
    try:
        tag = int(tags.get(_ORIENTATION, 1))
        width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
    except _UNREADABLE as error:
        raise DataError(f'cannot read {path!r}: {REPAIR}') from error
    return ImageHeader(width, height, tag if 1 <= tag <= 8 else 1, 'TIFF')


def _pillow_header(data: bytes, path: str) -> ImageHeader:
    try:
        image = open_image(data, path)
    except DataError:
        if not data.startswith(_TIFF_SIGNATURES):
            raise
        # Of several channels of floating point, such as OpenCV writes.
        return _tiff_header(data, path)
    tag = _orientation(image)
    width, height = image.size
    if image.format == 'TIFF' and tag > 4:
        # Pillow gives the size after turning it.
        width, height = height, width
    return ImageHeader(width, height, tag, image.format)


def _orientation(image: Image.Image) -> int:
    try:
        tag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, TypeError, ValueError, struct.error):
        # Viewers ignore broken EXIF data, too.
        return 1
    return tag if tag in range(1, 9) else 1


def _png_header(data: bytes, path: str) -> ImageHeader | None:
    """The header of a PNG, or None if it is damaged."""
    if len(data) < 33 or data[12:16] != b'IHDR':
        return None
    width, height = struct.unpack_from('>II', data, 16)
    tag = 1
    if _has_png_exif(data):
        require_size(width, height, path)
        tag = _orientation(open_image(data, path))
    return ImageHeader(width, height, tag, 'PNG')


def _has_png_exif(data: bytes) -> bool:
    """Whether there may be EXIF data; asking Pillow decodes the image."""
    at = 8
    # To the first chunk of pixels; what follows them is in the tail.
    while at + 8 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, at)
        if kind == b'IDAT':
            break
        if kind == b'eXIf' or data.startswith(_PNG_PROFILE, at + 8):
            return True
        at += length + 12
    return b'eXIf' in data[-_TAIL:]


def _jpeg_header(data: bytes, path: str) -> ImageHeader | None:
    """The header of a JPEG, or None if it is not of the usual form."""
    at, has_exif = jpeg_frame(data)
    if at is None:
        return None
    height, width = struct.unpack_from('>HH', data, at + 5)
    require_size(width, height, path)
    tag = _orientation(open_image(data, path)) if has_exif else 1
    return ImageHeader(width, height, tag, 'JPEG')


def jpeg_frame(data: bytes) -> tuple[int | None, bool]:
    """Find where the image of a JPEG begins, behind thumbnails.

    Args:
        data: The file's content.

    Returns:
        Place of the marker, None if the file is not of the usual form; and
        whether there is EXIF data before it.
    """
    at, has_exif = 2, False
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        if marker in _JPEG_FRAMES:
            return at, has_exif
        has_exif |= marker == 0xE1
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return None, has_exif
