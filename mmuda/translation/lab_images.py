# Copyright (c) mmuda authors.
"""Images of a folder or of a text list, read and written one by one."""

import hashlib
import io
import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger
from PIL import ExifTags, Image

from mmuda.datasets.images.image_io import decode_image, read_bytes
from mmuda.datasets.sets.listing import IMAGE_EXTENSIONS, list_files
from mmuda.datasets.sets.path_lines import read_path_lines
from mmuda.utils.errors import DataError

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff')
_SUFFIXES_TEXT = ', '.join(SUFFIXES)
# What OpenCV takes without being told, written down since files depend on it.
JPEG_QUALITY = 95


@dataclass(frozen=True)
class ImageSet:
    """Images by their paths below a folder.

    Attributes:
        root: The folder, absolute.
        lines: Paths relative to it with ``/``; sorted for a folder, and for
            a list in its order, with repetitions.
        folder: The folder that was searched; None for a list.
    """

    root: Path
    lines: tuple[str, ...]
    folder: Path | None = None

    @cached_property
    def names(self) -> list[str]:
        """Each image once, sorted."""
        return sorted(set(self.lines))

    def path(self, name: str) -> Path:
        """File of an image."""
        return self.root / name

    def status(self, name: str) -> os.stat_result:
        """Size and times of an image.

        Raises:
            DataError: The file is gone.
        """
        try:
            return self.path(name).stat()
        except OSError as error:
            raise DataError(
                f"cannot read '{self.path(name)}': {error.strerror}"
            ) from error

    def digest(self) -> str:
        """SHA-256 of the names and the sizes of the files."""
        rows = (f'{n}\0{self.status(n).st_size}\n' for n in self.names)
        return hashlib.sha256(''.join(rows).encode()).hexdigest()


def find_images(
    path: str | os.PathLike, what: str, root: str | os.PathLike | None = None
) -> ImageSet:
    """Find the images that a folder or a text list names.

    A list has one image a line, relative to the folder of the list; empty
    lines and lines that begin with ``#`` are skipped.

    Args:
        path: A folder, which is searched recursively without hidden files,
            or the list.
        what: Its name in messages.
        root: Folder that names are relative to; by default that of ``path``,
            or if an image of a list lies outside of it, the deepest folder
            that all images share.

    Raises:
        DataError: There is no image, one of the list is missing, lies outside
            of ``root``, or has a suffix that is none of ``SUFFIXES``.
    """
    path = Path(os.path.abspath(path))
    if path.is_dir():
        files = _folder_images(path, what)
    elif path.is_file():
        files = _read_list(path, what)
    else:
        raise DataError(
            f"{what} '{path}' does not exist; give a folder of images or a "
            'text file with one image a line'
        )
    if not files:
        suffixes = ', '.join(SUFFIXES)
        raise DataError(
            f"{what} '{path}' has no images; they end in {suffixes}"
        )
    base = path if path.is_dir() else path.parent
    if root is not None:
        base = Path(os.path.abspath(root))
    outside = [file for file in files if not file.is_relative_to(base)]
    if outside and root is not None:
        raise DataError(
            f"{what} '{path}': '{outside[0]}' lies outside of '{base}'"
        )
    if outside:
        base = Path(os.path.commonpath([file.parent for file in files]))
    names = tuple(file.relative_to(base).as_posix() for file in files)
    for name in names:
        if '\n' in name or not _is_utf8(name):
            raise DataError(
                f'{what}: rename {os.fsencode(name)!r}; lists hold one path a '
                'line, in UTF-8'
            )
    return ImageSet(base, names, path if path.is_dir() else None)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _folder_images(path: Path, what: str) -> list[Path]:
    """Sorted images below a folder; those of other formats are told."""
    names = list_files(str(path))
    files = [name for name in names if name.lower().endswith(SUFFIXES)]
    others = Counter(
        extension
        for extension in (os.path.splitext(name)[1] for name in names)
        if extension.lower() in IMAGE_EXTENSIONS.difference(SUFFIXES)
    )
    if files and others:
        found = ', '.join(f'{n} {ext}' for ext, n in sorted(others.items()))
        MMLogger.get_current_instance().warning(
            f"{what} '{path}': images left out: {found}; those of "
            f'{_SUFFIXES_TEXT} are read'
        )
    return sorted(path / name for name in files)


def _read_list(path: Path, what: str) -> list[Path]:
    lines = read_path_lines(str(path), None)
    for line in lines:
        fault = None
        if not line.path.lower().endswith(SUFFIXES):
            fault = f'is no image; they end in {_SUFFIXES_TEXT}'
        elif not os.path.isfile(line.path):
            fault = 'does not exist; paths are relative to the list'
        if fault:
            raise DataError(
                f"{what} '{path}', line {line.number}: {line.path!r} {fault}"
            )
    return [Path(line.path) for line in lines]


def read_stored(path: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Read the pixels of an image as they are stored.

    A translated image must keep them, and their EXIF orientation: labels may
    have been drawn on either (see ``LabelFrame``).

    Args:
        path: The file.

    Returns:
        (H, W, 3) uint8 BGR, and the EXIF orientation, 1 to 8.

    Raises:
        DataError: As of ``read_image``.
    """
    path = str(path)
    image, header = decode_image(
        read_bytes(path), path, 'color_ignore_orientation'
    )
    return image, header.orientation


def encode_image(
    image: np.ndarray, suffix: str, orientation: int = 1
) -> bytes:
    """Encode an image in the format of a suffix, without loss but for JPEG.

    Args:
        image: (H, W, 3) uint8 BGR.
        suffix: One of ``SUFFIXES``, in upper or lower case.
        orientation: EXIF orientation to write into the file.
    """
    suffix = suffix.lower()
    options = []
    if suffix in ('.jpg', '.jpeg'):
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    if orientation != 1:
        return _encode_turned(image, suffix, orientation)
    # PNG without options: OpenCV takes the fastest way that compresses, and
    # twice as long if a level is given, for no smaller files.
    return cv2.imencode(suffix, image, options)[1].tobytes()


def _encode_turned(image: np.ndarray, suffix: str, orientation: int) -> bytes:
    """Encode with Pillow, since OpenCV writes no EXIF data."""
    picture = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    exif = picture.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    kind = Image.registered_extensions()[suffix]
    picture.save(file, kind, exif=exif, quality=JPEG_QUALITY)
    return file.getvalue()
