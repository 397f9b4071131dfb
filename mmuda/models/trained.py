# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Networks with trained weights, for predicting."""

import os
from collections.abc import Mapping
from typing import Any

from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_state_dict
from mmseg.models.segmentors.base import BaseSegmentor
from torch import nn

from mmuda.utils.class_names import stored_classes
from mmuda.utils.errors import CheckpointError
from mmuda.utils.weights import check_finite

from .coverage import check_cover


def load_trained(
    model: nn.Module, path: str | os.PathLike
) -> tuple[str, ...] | None:
    """Fill a model with trained weights, all of them.

    Args:
        model: A UDA model or a plain one of mmseg.
        path: File or address of a checkpoint.

    Returns:
        The classes it was trained for; None if the file does not tell.

    Raises:
        CheckpointError: The file can't be read, does not cover the model, or
            holds values that are not finite.
    """
    checkpoint = CheckpointLoader.load_checkpoint(str(path), 'cpu')
    state = named_tensors(checkpoint, str(path))
    check_state(model, state, str(path))
    load_state_dict(model, state)
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


def check_state(
    model: BaseSegmentor, state: Mapping[str, Any], file: str
) -> None:
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
