# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading checkpoints without running code that is hidden in them.

A checkpoint is a pickle, and unpickling can run anything. Since version 2.6
PyTorch refuses by default what is not plain data; mmengine 0.10.7 then can't
read its own checkpoints (they hold logged values in ``HistoryBuffer`` objects
and NumPy scalars), and later versions fall back to unpickling everything.
"""

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from mmuda.utils.errors import CheckpointError
from mmuda.utils.files import atomic_path

_NUMPY_DTYPE_CODES = (
    '?SU' + np.typecodes['AllInteger'] + np.typecodes['AllFloat']
)


def load_checkpoint_file(
    path: str | os.PathLike,
    map_location: str | torch.device | Callable | None = 'cpu',
) -> dict:
    """Read a checkpoint that holds nothing but data.

    Args:
        path: A file written by ``torch.save``, by a runner of mmengine too.
        map_location: Where to put the tensors, as of ``torch.load``.

    Raises:
        CheckpointError: If the file is missing, not whole, no dict, or holds
            an object that could run code; names the file and the object.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(
            f'{path}: no such checkpoint file; correct the path'
        )
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            content = torch.load(
                path, map_location=map_location, weights_only=True
            )
    except Exception as error:
        raise CheckpointError(f'{path}: {_reason(error)}') from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{path}: holds a {type(content).__name__} instead of tensors by '
            'name; pass a checkpoint of a training'
        )
    return content


def install_safe_checkpoint_loading() -> None:
    """Make mmengine read files and URLs by :func:`load_checkpoint_file`.

    Covers ``load_from``, resuming and pretrained weights given as a path or
    ``https://`` address. The names of model zoos (``open-mmlab://``,
    ``torchvision://``) keep mmengine's own loaders: their files come from
    fixed addresses.
    """
    for prefixes, loader in (
        ('', load_from_local),
        (('http://', 'https://'), load_from_http),
    ):
        CheckpointLoader.register_scheme(prefixes, loader=loader, force=True)


# mmengine logs the part of a loader's name after "load_from_".
def load_from_local(filename, map_location=None):
    """Load a checkpoint file for mmengine."""
    return load_checkpoint_file(filename, map_location)


def load_from_http(filename, map_location=None):
    """Download a checkpoint once into PyTorch's cache and load it."""
    name = Path(urlparse(filename).path).name
    path = Path(torch.hub.get_dir(), 'checkpoints', name)
    if is_main_process() and not path.exists():
        try:
            with atomic_path(path) as temporary:
                torch.hub.download_url_to_file(filename, str(temporary))
        except OSError as error:
            raise CheckpointError(
                f'{filename}: cannot be downloaded to {str(path)!r} '
                f'({error}); put the file there by hand'
            ) from error
    barrier()
    return load_checkpoint_file(path, map_location)


def _safe_globals() -> list:
    """Return what mmengine's checkpoints hold besides tensors."""
    multiarray = (
        np._core.multiarray if hasattr(np, '_core') else np.core.multiarray
    )
    # NumPy 2 moved the module; files of either version are to be readable.
    rebuild = [
        (getattr(multiarray, function), f'numpy.{core}.multiarray.{function}')
        for core in ('core', '_core')
        for function in ('_reconstruct', 'scalar')
    ]
    dtypes = {type(np.dtype(code)) for code in _NUMPY_DTYPE_CODES}
    return [
        HistoryBuffer,
        (_history_statistic, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *rebuild,
        *dtypes,
    ]


def _history_statistic(owner: type, name: str) -> Callable:
    """Stand in for the ``getattr`` by which statistics are pickled.

    Raises:
        UnpicklingError: For anything but a method of ``HistoryBuffer``.
    """
    method = inspect.getattr_static(owner, name, None)
    if owner is not HistoryBuffer or not inspect.isfunction(method):
        raise UnpicklingError(f'GLOBAL getattr({owner!r}, {name!r})')
    return method


def _reason(error: Exception) -> str:
    """Say in one line why a file could not be read."""
    refused = re.search(r'GLOBAL (getattr\(.*\)|\S+)', str(error))
    if refused:
        return (
            f'refused, because it holds {refused[1]}, which is not data and '
            'could run code'
        )
    return (
        'cannot be read as a checkpoint; it is cut off, damaged or of another '
        'kind: download or copy it again'
    )
