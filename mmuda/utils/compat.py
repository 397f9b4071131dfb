# Copyright (c) mmuda authors.
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

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import CheckpointLoader

from mmuda.utils.checksums import checkpoint_fault, has_checksums, is_zip
from mmuda.utils.downloads import downloaded_file
from mmuda.utils.errors import CheckpointError
from mmuda.utils.installed_files import PREFIX, installed_file

_NUMPY_DTYPE_CODES = (
    '?SU' + np.typecodes['AllInteger'] + np.typecodes['AllFloat']
)


def load_checkpoint_file(
    path: str | os.PathLike,
    map_location: str | torch.device | Callable | None = 'cpu',
) -> dict:
    """Read a checkpoint that is whole and holds nothing but data.

    Everything that reads a checkpoint passes here. The text of a config in
    ``meta['config']`` is left out: mmengine runs it as Python when a run is
    resumed.

    Args:
        path: A file written by ``torch.save``, by a runner of mmengine too,
            or its ``https://`` address.
        map_location: Where to put the tensors, as of ``torch.load``.

    Raises:
        CheckpointError: If the file is missing, damaged, no dict, or holds
            an object that could run code; names the file and the object. Or
            if the address is neither of a file nor of a web server.
    """
    file = local_checkpoint(path)
    checked = has_checksums(file)
    fault = checkpoint_fault(file) if checked else None
    if fault is not None:
        remedy = 'copy or download it again, or take an earlier one'
        if str(path).startswith(PREFIX):
            remedy = 'install its package again'
        elif '://' in str(path):
            remedy = f'remove it, and it is downloaded again from {path}'
        raise CheckpointError(
            f'{file}: cannot be read as a checkpoint, it is damaged: {fault}; '
            f'{remedy}'
        )
    content = _data_of(file, map_location=map_location)
    if not checked:
        print_log(
            f'{file} holds no checksums (it is in the format of PyTorch '
            'before 1.6, or was saved without them): damage to it would not '
            'be noticed',
            'current',
        )
    content.get('meta', {}).pop('config', None)
    return content


def load_checkpoint_meta(path: str | os.PathLike) -> dict:
    """Read what a checkpoint says of its training, but no weights.

    Args:
        path: As of :func:`load_checkpoint_file`.

    Raises:
        CheckpointError: As of :func:`load_checkpoint_file`, but for damage
            to weights.
    """
    file = local_checkpoint(path)
    # Weights that are mapped from the file are never read.
    content = _data_of(file, map_location='cpu', mmap=is_zip(file))
    return content.get('meta', {})


def local_checkpoint(path: str | os.PathLike) -> Path:
    """Find the file of a path, or download that of a web address.

    Args:
        path: A path, or an address ``http://``, ``https://`` or
            ``package://``, see :func:`installed_file`.

    Raises:
        CheckpointError: If there is no such file, or the address is of
            another kind, such as ``open-mmlab://`` or ``s3://``.
    """
    file = os.path.expanduser(path)
    scheme = re.match(r'([^/]*)://', file)
    if os.path.isfile(file):
        return Path(file)
    if file.startswith(PREFIX):
        return installed_file(file)
    if scheme:
        if scheme[1].lower() not in ('http', 'https'):
            raise CheckpointError(
                f'{path}: checkpoints are not read by {scheme[1]}://, only '
                'from files and web addresses; download the file and give '
                'its path, or its https:// address'
            )
        return downloaded_file(file)
    if os.path.isdir(file):
        found = [path for path in Path(file).glob('*.pth') if path.is_file()]
        newest = max(found, key=os.path.getmtime, default=None)
        such = f", such as '{newest}'" if newest else ''
        raise CheckpointError(
            f'{path} is a folder; name a checkpoint file{such}'
        )
    raise CheckpointError(f'{path}: no such checkpoint file; correct the path')


def install_safe_checkpoint_loading() -> None:
    """Make mmengine load all checkpoints by :func:`load_checkpoint_file`.

    Covers ``load_from``, resuming and pretrained weights, from wherever they
    are to come. mmengine's loaders unpickle whatever they are given if it is
    not plain data.
    """
    # The prefix is a regular expression that fits everything, and sorted
    # before all others, also those that are registered later.
    CheckpointLoader.register_scheme(
        '|', loader=load_from_file_or_url, force=True
    )


# mmengine logs the part of a loader's name after "load_from_".
def load_from_file_or_url(filename, map_location=None):
    """Load a checkpoint for mmengine."""
    return load_checkpoint_file(filename, map_location)


def _data_of(path: Path, **kwargs) -> dict:
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            content = torch.load(path, weights_only=True, **kwargs)
    except Exception as error:
        raise CheckpointError(f'{path}: {_reason(error)}') from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{path}: holds a {type(content).__name__} instead of tensors by '
            'name; pass a checkpoint of a training'
        )
    if content.get('meta') is None:
        content.pop('meta', None)
    meta = content.get('meta', {})
    if not isinstance(meta, dict):
        raise CheckpointError(
            f"{path}: 'meta' is a {type(meta).__name__} instead of values by "
            'name; pass a checkpoint of a training'
        )
    return content


def _safe_globals() -> list:
    """Return what mmengine's checkpoints hold besides tensors."""
    core = getattr(np, '_core' if hasattr(np, '_core') else 'core')
    multiarray = core.multiarray
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
