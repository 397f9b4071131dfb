# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading files of arrays that are whole and hold nothing but numbers."""

import io
import zipfile
import zlib

import numpy as np

_MAX_BYTES = 4 << 30  # of all arrays, unpacked
# Whatever zipfile and NumPy say of a damaged file.
_FAULTS = (
    *(EOFError, MemoryError, NotImplementedError, OSError, OverflowError),
    *(RuntimeError, SyntaxError, TypeError, zipfile.BadZipFile, zlib.error),
)


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Read all arrays of an ``npz`` file.

    Each is compared with its checksum as a whole: ``numpy.load`` reads no
    further than an array's header says, and then skips the checksum.

    Args:
        data: The file's content.

    Returns:
        The arrays by name.

    Raises:
        ValueError: It is damaged, of another kind, too large, or holds
            objects; tells what.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            size = sum(info.file_size for info in file.infolist())
            if size > _MAX_BYTES:
                raise ValueError(f'{size} bytes when unpacked are too many')
            return {
                info.filename.removesuffix('.npy'): np.lib.format.read_array(
                    io.BytesIO(file.read(info)), allow_pickle=False
                )
                for info in file.infolist()
            }
    except _FAULTS as error:
        raise ValueError(f'{type(error).__name__}: {error}') from error
