# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Names of detectron2's DeepLabV3+ and of mmuda's.

The published networks of Gómez et al. (Sensors 2023) are files of
detectron2's checkpointer: ``{'model': tensors, 'iteration': ..., ...}``, with
a ResNet whose stem has three convolutions and the head that
``DeepLabV3PlusHead`` is. They have an output for void behind those of the
classes. It is left out here, so that each pixel gets the best of the true
classes; the way back adds one that never wins. Images are RGB, normalised by
ImageNet's means and deviations as in mmseg.

How sure the names are: they were read in detectron2's project DeepLab and in
the released code of the paper; no published file was looked at.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .advent import RESNET101_BLOCKS
from .detectron2_layout import (
    ASPP,
    HEAD,
    LOW_LEVEL,
    PREDICTOR,
    backbone_layout,
    segmentor_layout,
)
from .published import BACKBONE, side
from .state_dicts import StateDict, find_state_dict

# Of the void output on the way back: its probability is 0 in any precision.
VOID_BIAS = -1e4

# Images are normalised by the config; ImageNet's classifier has no use.
_NOT_CONVERTED = ('pixel_mean', 'pixel_std')
_CLASSIFIERS = ('stem.fc.', 'fc.', 'linear.')


def find_network(checkpoint: Mapping[str, Any], path: str) -> StateDict:
    """Take the tensors out of a loaded checkpoint; arrays become tensors.

    Args:
        checkpoint: What was loaded; a bare state dict will do.
        path: The file, for messages.

    Raises:
        CheckpointError: If it holds no state dict.
    """
    network = checkpoint.get('model', checkpoint)
    if isinstance(network, Mapping):
        network = {
            name: _as_tensor(value)
            for name, value in network.items()
            if name not in _NOT_CONVERTED
        }
    return find_state_dict(network, path)


def segmentor_from_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    void: bool = True,
) -> StateDict:
    """Rename a published network to mmuda's names.

    Args:
        state_dict: Tensors by published name.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        void: Whether the last output is that of void, which is left out;
            detectron2's own networks have none.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    layout = segmentor_layout(
        stage_blocks,
        side(state_dict, 'backbone.stem.conv3.weight'),
        side(state_dict, 'backbone.res2.0.conv2.weight'),
        (
            side(state_dict, f'{PREDICTOR}.weight'),
            side(state_dict, f'{ASPP}.project.weight'),
            side(state_dict, f'{LOW_LEVEL}.project_conv.weight'),
        ),
    )
    own = layout.from_published(state_dict, path)
    if void:
        for kind in ('weight', 'bias'):
            name = f'{HEAD}conv_seg.{kind}'
            # A copy: a view would be saved with all that it is one of.
            own[name] = own[name][:-1].clone()
    return own


def segmentor_to_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    void: bool = True,
) -> StateDict:
    """Rename the segmentor of an mmuda checkpoint to the published names.

    Names that do not start with ``segmentor.`` are not looked at.

    Args:
        state_dict: Tensors by mmuda's name.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        void: Whether to add an output for void, with weights 0 and the bias
            ``VOID_BIAS``.

    Raises:
        CheckpointError: If names of the segmentor are missing or unknown, or
            a shape differs.
    """
    layout = segmentor_layout(
        stage_blocks,
        side(state_dict, f'{BACKBONE}stem.6.weight'),
        side(state_dict, f'{BACKBONE}layer1.0.conv2.weight'),
        (
            side(state_dict, f'{HEAD}conv_seg.weight'),
            side(state_dict, f'{HEAD}bottleneck.conv.weight'),
            side(state_dict, f'{HEAD}c1_bottleneck.conv.weight'),
        ),
    )
    published = layout.to_published(state_dict, path)
    if void:
        for kind, value in (('weight', 0.0), ('bias', VOID_BIAS)):
            name = f'{PREDICTOR}.{kind}'
            added = torch.full_like(published[name][:1], value)
            published[name] = torch.cat([published[name], added])
    return published


def backbone_from_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the file',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
) -> StateDict:
    """Rename ImageNet weights of the backbone to mmseg's names.

    Args:
        state_dict: Tensors by detectron2's name, with or without
            ``backbone.``; a classifier is left out.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    found = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in state_dict.items()
    }
    found = {k: v for k, v in found.items() if not k.startswith(_CLASSIFIERS)}
    layout = backbone_layout(
        stage_blocks,
        side(found, 'stem.conv3.weight'),
        side(found, 'res2.0.conv2.weight'),
    )
    return layout.from_published(found, path)


def _as_tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        # A copy, as arrays of a file may be read-only.
        return torch.from_numpy(np.array(value))
    return value
