# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Names of ProDA's published head and of ``ASPPSEHead``.

``conv2d_list`` are the branches (convolution, group norm, ReLU each),
``bottleneck`` is squeeze and excitation (``se``), a convolution and a group
norm, ``head`` dropout and the classifier. Squeeze and excitation is linear
there and made of 1x1 convolutions here.

How sure the names are: read in the code of ProDA's successors CoaST and MLCL.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .state_dicts import StateDict

_NUM_BRANCHES = 5
_SQUEEZES = ('.se.conv1.conv.weight', '.se.conv2.conv.weight')


def head_entries(
    inputs: int, num_classes: int, channels: int, squeezed: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """List the tensors of a head.

    Args:
        inputs: Channels of the features.
        num_classes: Number of classes.
        channels: Of each branch.
        squeezed: Channels that squeezing leaves.

    Returns:
        By published name, mmuda's name and the published shape.
    """
    width = _NUM_BRANCHES * channels
    layers = {}
    for i in range(_NUM_BRANCHES):
        old, new, kernel = f'conv2d_list.{i}', f'branches.{i}', 3 if i else 1
        shape = (channels, inputs, kernel, kernel)
        layers[f'{old}.0'] = (f'{new}.0', shape)
        layers[f'{old}.1'] = (f'{new}.1', (channels,))
    layers |= {
        'bottleneck.0.se.0': ('se.conv1.conv', (squeezed, width)),
        'bottleneck.0.se.2': ('se.conv2.conv', (width, squeezed)),
        'bottleneck.1': ('bottleneck.0', (channels, width, 3, 3)),
        'bottleneck.2': ('bottleneck.1', (channels,)),
    }
    entries = {}
    for old, (new, shape) in layers.items():
        entries[f'{old}.weight'] = (f'{new}.weight', shape)
        entries[f'{old}.bias'] = (f'{new}.bias', shape[:1])
    shape = (num_classes, channels, 1, 1)
    return {**entries, 'head.1.weight': ('conv_seg.weight', shape)}


def with_convolutions(state_dict: Mapping[str, Tensor]) -> StateDict:
    """Make squeeze and excitation of 1x1 convolutions.

    Args:
        state_dict: Tensors by mmuda's name, with linear layers.
    """
    return {
        name: values[:, :, None, None] if name.endswith(_SQUEEZES) else values
        for name, values in state_dict.items()
    }


def with_linear_layers(state_dict: Mapping[str, Tensor]) -> StateDict:
    """Make squeeze and excitation of linear layers.

    Args:
        state_dict: Tensors by mmuda's name, with 1x1 convolutions.
    """
    return {
        name: values.flatten(1)
        if name.endswith(_SQUEEZES) and values.ndim == 4
        else values
        for name, values in state_dict.items()
    }


def ensemble_from_published(
    weight: Tensor, level_channels: Sequence[int], num_targets: int
) -> Tensor:
    """Order the inputs of a branch of the ensemble head as mmuda does.

    With several levels (the stages of a SegFormer) MLCL concatenates all
    levels of the first target's view, then of the second's; mmuda the first
    level of all views, then the second. With one level both are the same.

    Args:
        weight: Of a branch's convolution, (channels, inputs, h, w).
        level_channels: Channels of each level in one view.
        num_targets: Number of targets; times the levels' channels it gives
            the inputs.

    Returns:
        The weight with permuted inputs.
    """
    return weight[:, _published_places(level_channels, num_targets)]


def ensemble_to_published(
    weight: Tensor, level_channels: Sequence[int], num_targets: int
) -> Tensor:
    """Undo :func:`ensemble_from_published`.

    Args:
        weight: Of a branch's convolution, (channels, inputs, h, w).
        level_channels: Channels of each level in one view.
        num_targets: Number of targets.

    Returns:
        The weight with permuted inputs.
    """
    return weight[:, _published_places(level_channels, num_targets).argsort()]


def _published_places(
    level_channels: Sequence[int], num_targets: int
) -> Tensor:
    """Published place of each of mmuda's inputs."""
    places = torch.arange(num_targets * sum(level_channels))
    levels = places.view(num_targets, -1).split(list(level_channels), dim=1)
    return torch.cat([level.flatten() for level in levels])
