# Copyright (c) mmuda authors.
"""Getting at state dicts and renaming them without losing a tensor."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError
from mmuda.utils.files import atomic_path
from mmuda.utils.text import join_some

StateDict = dict[str, Tensor]

_NESTED_UNDER = ('state_dict', 'model')
_COUNTER = 'num_batches_tracked'


def load_state_dict_file(path: str | os.PathLike) -> StateDict:
    """Read the tensors of a checkpoint file by name.

    Args:
        path: A file of any PyTorch version, see :func:`find_state_dict`.

    Raises:
        CheckpointError: If the file can't be read or holds no state dict.
    """
    return find_state_dict(load_checkpoint_file(path), str(path))


def write_checkpoint(
    checkpoint: Mapping[str, Any], path: str | os.PathLike
) -> None:
    """Save a checkpoint; an old file stays until the new one is whole."""
    with atomic_path(path) as temporary:
        torch.save(checkpoint, temporary)


def find_state_dict(checkpoint: Any, path: str) -> StateDict:
    """Return the tensors of a loaded checkpoint by name.

    A state dict nested under ``state_dict`` or ``model`` is taken out and
    the prefix ``module.`` of data parallel wrappers is dropped.

    Args:
        checkpoint: What ``torch.load`` returned.
        path: The file, for messages.

    Raises:
        CheckpointError: If there is no non-empty dict of tensors.
    """
    state_dict = checkpoint
    for key in _NESTED_UNDER:
        if isinstance(state_dict, Mapping) and isinstance(
            state_dict.get(key), Mapping
        ):
            state_dict = state_dict[key]
    if not isinstance(state_dict, Mapping) or not state_dict:
        raise CheckpointError(f'{path} holds no state dict.')
    for name, value in state_dict.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f'{path} is no state dict: entry {name!r} is a'
                f' {type(value).__name__}, not a tensor.'
            )
    return {
        name.removeprefix('module.'): tensor
        for name, tensor in state_dict.items()
    }


def rename_exactly(
    state_dict: Mapping[str, Tensor],
    names: Mapping[str, str],
    path: str,
    hint: str,
) -> StateDict:
    """Rename every tensor, allowing neither missing nor further ones.

    Files of PyTorch before 0.4.1 lack batch norm's ``num_batches_tracked``;
    a missing one becomes 0.

    Args:
        state_dict: Tensors by old name.
        names: New name by old name; the order of the result.
        path: The file, for messages.
        hint: Last sentence of the message, what the user can do.

    Raises:
        CheckpointError: If names are missing or unknown; it lists them.
    """
    missing = [
        name
        for name in names
        if name not in state_dict and not name.endswith(_COUNTER)
    ]
    unknown = [name for name in state_dict if name not in names]
    if missing or unknown:
        problems = [
            f'{what}: {join_some(found)}'
            for what, found in (('missing', missing), ('unknown', unknown))
            if found
        ]
        raise CheckpointError(
            f'{path} does not hold the expected tensors; '
            f'{"; ".join(problems)}. {hint}'
        )
    zero = torch.zeros((), dtype=torch.long)
    return {
        new: state_dict.get(old, zero.clone()) for old, new in names.items()
    }
