# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading pickles of arrays without running code that is hidden in them.

``torch.load`` reads files of ``torch.save`` alone. The model zoo of
detectron2 has plain pickles of NumPy arrays.
"""

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmuda.utils.checksums import is_zip
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError

# What torch.save writes before its pickles in the format of before 1.6.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def load_arrays_file(path: str | os.PathLike) -> dict[str, Any]:
    """Read a checkpoint, or a pickle of a dictionary of arrays.

    Args:
        path: A file of ``torch.save`` or of ``pickle.dump``.

    Raises:
        CheckpointError: If the file is missing, damaged, no dictionary, or
            holds an object that could run code; names the file and the
            object.
    """
    path = Path(path).expanduser()
    if not path.is_file() or is_zip(path):
        return load_checkpoint_file(path)
    with path.open('rb') as file:
        try:
            content = _ArrayUnpickler(file, encoding='latin1').load()
        except _RefusedError as error:
            raise CheckpointError(
                f'{path}: refused, because it holds {error}, which is not '
                'data and could run code'
            ) from None
        except Exception as error:
            raise CheckpointError(
                f'{path}: cannot be read as a pickle of arrays; it is cut '
                'off, damaged or of another kind: download or copy it again'
            ) from error
    if content == _TORCH_MAGIC:
        return load_checkpoint_file(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{path}: holds a {type(content).__name__} instead of arrays by '
            'name'
        )
    return content


class _RefusedError(Exception):
    """An object that is not data."""


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and Python's own containers, nothing else."""

    def find_class(self, module: str, name: str) -> Callable:
        """Return what a pickle may call."""
        # NumPy 2 moved the module; files of either version are to be read.
        module = module.replace('numpy._core', 'numpy.core')
        allowed = _allowed()
        if (module, name) not in allowed:
            raise _RefusedError(f'{module}.{name}')
        return allowed[module, name]


def _allowed() -> dict[tuple[str, str], Callable]:
    core = getattr(np, '_core' if hasattr(np, '_core') else 'core')
    multiarray = core.multiarray
    module = 'numpy.core.multiarray'
    return {
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        (module, '_reconstruct'): multiarray._reconstruct,
        (module, 'scalar'): multiarray.scalar,
        ('collections', 'OrderedDict'): OrderedDict,
        ('_codecs', 'encode'): _encode,
    }


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for the function by which old protocols store bytes."""
    if encoding != 'latin1':
        raise _RefusedError(f'_codecs.encode({encoding!r})')
    return text.encode(encoding)
