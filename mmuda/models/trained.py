# Copyright (c) mmuda authors.
"""Trained weights, and whether they cover the networks that they fill."""

import os
from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from mmuda.models.norm_statistics import holds_target_statistics
from mmuda.utils.class_names import stored_classes
from mmuda.utils.errors import CheckpointError
from mmuda.utils.tool_commands import tool_command
from mmuda.utils.weights import check_finite, misfits, tell_conversion

HEADS = 'heads'
# What makes features; all else of a network is its heads.
FEATURES = ('backbone', 'neck')
THE_CHECKPOINT = 'the checkpoint'


def load_trained(
    model: BaseModel, path: str | os.PathLike
) -> tuple[str, ...] | None:
    """Fill a model with trained weights, all of them.

    Args:
        model: A UDA model or a plain one of mmseg.
        path: File or address of a checkpoint.

    Returns:
        The classes it was trained for; None if the file does not tell. The
        model has ``has_target_statistics`` afterwards, whether the running
        statistics are of the target.

    Raises:
        CheckpointError: The file can't be read, does not cover the model, or
            holds values that are not finite.
    """
    checkpoint = CheckpointLoader.load_checkpoint(str(path), 'cpu')
    state = named_tensors(checkpoint, str(path))
    check_state(model, state, str(path))
    load_state_dict(model, state)
    model.has_target_statistics = holds_target_statistics(checkpoint)
    return stored_classes(checkpoint)


def named_tensors(checkpoint: Mapping[str, Any], file: str) -> dict[str, Any]:
    """State dict of a checkpoint, without the prefix of a wrapper.

    Args:
        checkpoint: Content of a checkpoint file.
        file: Its name, for messages.

    Raises:
        CheckpointError: It holds no values by name.
    """
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) for name in state
    ):
        raise CheckpointError(
            f'{file} holds no weights by name; pass a checkpoint of a training'
        )
    return {n.removeprefix('module.'): value for n, value in state.items()}


def stores_network(path: str | os.PathLike, name: str) -> bool:
    """Whether a checkpoint of a UDA model holds one of its networks.

    Args:
        path: File or address of a checkpoint.
        name: Of a child of the model, such as ``teacher``.

    Raises:
        CheckpointError: The file can't be read.
    """
    # Only looked at: what is used is logged where it is loaded.
    checkpoint = CheckpointLoader.load_checkpoint(str(path), 'cpu', 'silent')
    state = named_tensors(checkpoint, str(path))
    return any(key.startswith(f'{name}.') for key in state)


def check_state(model: BaseModel, state: Mapping[str, Any], file: str) -> None:
    """Refuse weights that would leave random ones in a network.

    Methods of mmuda do so whenever they are filled; all they need is the name
    of the file.

    Args:
        model: Without a distributed wrapper.
        state: Tensors by name.
        file: Where they come from, for messages.

    Raises:
        CheckpointError: They do not cover the model, or are not finite.
    """
    if hasattr(model, 'prepare_start'):
        model.loading_from = file
        return
    check_finite(state, file)
    check_cover(model, state, '', file)


def check_cover(
    network: nn.Module,
    state_dict: Mapping[str, Any],
    prefix: str,
    file: str = THE_CHECKPOINT,
) -> None:
    """Refuse a checkpoint that would leave random weights in a network.

    Args:
        network: Segmentor or teacher, without a distributed wrapper.
        state_dict: Tensors by name.
        prefix: Prefix of the network's names, with a trailing dot.
        file: Where they come from, for messages.

    Raises:
        CheckpointError: A tensor is missing or has another shape, or the
            checkpoint is of a larger network. Auxiliary heads that the
            network does not have are no fault: they serve training only.
    """
    stored, expected = part_of(state_dict, prefix), network.state_dict()
    faults = misfits(stored, expected, _optional(stored, expected))
    part = prefix.removesuffix('.').rpartition('.')[2] or 'model'
    if faults:
        raise CheckpointError(
            f'{file} does not fit the {part} of this config '
            f'({"; ".join(faults)}); use the config that it was trained with'
            f'{_new_parts_hint(part, stored, expected) if prefix else ""}'
        )
    tell_conversion(stored, expected, f'{part} of {file}')


def part_of(state_dict: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Tensors of a part of a model, by their names in it.

    Args:
        state_dict: Tensors by name.
        prefix: Prefix of the part's names, with a trailing dot.
    """
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }


def unfit_heads(
    stored: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> list[str]:
    """Parts of a network that have to start anew, as ``--new-parts`` wants.

    Args:
        stored: Tensors by name, as a file has them.
        expected: State dict of the network.

    Returns:
        Names of heads, or ``heads`` if no head fits or the file has further
        ones.
    """
    optional = _optional(stored, expected)
    heads, foreign = (
        [
            head
            for head in dict.fromkeys(name.split('.')[0] for name in names)
            if head not in FEATURES
        ]
        for names in (expected, {*stored} - {*expected} - optional)
    )
    unfit = [
        head
        for head in heads
        if misfits(
            part_of(stored, f'{head}.'),
            part_of(expected, f'{head}.'),
            part_of(dict.fromkeys(optional), f'{head}.'),
        )
    ]
    return [HEADS] if {*foreign} - {*heads} or unfit == heads else unfit


def _optional(
    stored: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> set[str]:
    """Names that may be stored, or missing, as they are."""
    return {
        name
        for name in {*stored, *expected}
        if name.endswith('_extra_state')
        or (name.startswith('auxiliary_head.') and name not in expected)
    }


def _new_parts_hint(
    part: str, stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> str:
    """Say how a training can start with another number of classes."""
    parts = [part]
    if any(name.startswith('backbone.') for name in expected):
        kept = {
            name: tensor
            for name, tensor in expected.items()
            if name.split('.')[0] in FEATURES
        }
        if misfits({n: t for n, t in stored.items() if n in kept}, kept):
            return ''
        parts = [*unfit_heads(stored, expected)]
        if not parts:
            # What does not fit is not in a head.
            return ''
    train = tool_command('train.py', 'CONFIG', '--new-parts', *parts)
    return (
        f', or train with new ones: {train} (see "Another number of '
        'classes" in docs/own_data.md)'
    )
