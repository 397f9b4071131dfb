# Copyright (c) mmuda authors.
"""Telling a whole file from a damaged one.

``torch.save`` writes a zip file with a checksum of each tensor, but
``torch.load`` does not look at them: bits that a disk or a copy has lost
become other weights without a word.
"""

import hashlib
import os
import zipfile

from mmuda.utils.errors import CheckpointError

_CHUNK = 1 << 20  # bytes
_ZIP_START = b'PK\3\4'
_PICKLE_START = b'\x80'
_FOLDER = 0x10  # attribute of MS-DOS


def checkpoint_fault(path: str | os.PathLike) -> str | None:
    """Find what is wrong with a file of ``torch.save``, reading all of it.

    Args:
        path: An existing file.

    Returns:
        What is wrong, to go on after "damaged: ". None if all checksums fit;
        also if it is a zip file without any, see :func:`has_checksums`.
    """
    try:
        if os.path.getsize(path) == 0:
            return 'it is empty'
        if not is_zip(path):
            return 'it is cut off or no zip file, as torch.save writes it'
        with zipfile.ZipFile(path) as file:
            if _without_checksums(file):
                return None
            faults = (_member_fault(file, info) for info in file.infolist())
            return next(filter(None, faults), None)
    except OSError as error:
        return f'it cannot be read ({error.strerror or error})'
    except Exception:
        return 'its table of contents cannot be read'


def has_checksums(path: str | os.PathLike) -> bool:
    """Whether damage to a file can be noticed.

    Files of PyTorch before 1.6 hold no checksums, and those written after
    ``torch.serialization.set_crc32_options(False)`` hold zeros instead.

    Args:
        path: An existing file.
    """
    if not is_zip(path):
        # What is cut off still begins as a zip file.
        return _first_bytes(path) == _ZIP_START
    try:
        with zipfile.ZipFile(path) as file:
            return not _without_checksums(file)
    except Exception:
        return True


def is_zip(path: str | os.PathLike) -> bool:
    """Whether a file has the end of a zip file, be it damaged.

    Args:
        path: An existing file.
    """
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return True


def is_legacy(path: str | os.PathLike) -> bool:
    """Whether a file begins as those of PyTorch before 1.6, with a pickle.

    Args:
        path: An existing file.
    """
    return _first_bytes(path).startswith(_PICKLE_START)


def sha256_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file, read piece by piece.

    Raises:
        CheckpointError: It can't be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
    except OSError as error:
        raise CheckpointError(
            f'cannot read {str(path)!r} ({error.strerror}); correct the path'
        ) from error
    return digest.hexdigest()


def _first_bytes(path: str | os.PathLike) -> bytes:
    with open(path, 'rb') as file:
        return file.read(4)


def _without_checksums(file: zipfile.ZipFile) -> bool:
    members = [info for info in file.infolist() if info.file_size]
    return bool(members) and not any(info.CRC for info in members)


def _member_fault(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> str | None:
    if info.compress_type != zipfile.ZIP_STORED:
        return f'{info.filename} is compressed, as in TorchScript'
    # PyTorch reads as many bytes as the other says.
    if info.compress_size != info.file_size:
        return f'{info.filename} has two sizes'
    # It leaves the memory of a tensor as it is if that is a folder.
    if info.external_attr & _FOLDER:
        return f'{info.filename} is a folder'
    try:
        with file.open(info) as content:
            while content.read(_CHUNK):
                pass
    except OSError:
        raise
    except Exception:
        return f'{info.filename} does not fit its checksum'
    return None
