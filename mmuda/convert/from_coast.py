# Copyright (c) mmuda authors.
"""Names of the published CoaST and MLCL checkpoints and of mmuda's.

Both codes (CoaST, WACV 2023; MLCL, TCSVT 2024) save a pickled dictionary of
``{'model_state': tensors}`` by the networks' class names, ``iter`` and, if
there was a validation, ``best_iou``. Their ``ResNet101`` has one list of
heads, ``layer5_list``: those of the targets, after the warm-up an agnostic
one, and in MLCL an ensemble one, whose input are the features of the views in
the style of target 1, 2, ... one after another, as in mmuda. Images are RGB
in [0, 1], neither centred nor scaled.

The styles that CoaST remembers are in no checkpoint. The warm-up's
discriminators (``FCDiscriminator``, of which the last target's overwrites the
others) are of another form than mmuda's and left out.

How sure the names are: all were read in the released code of both (Mael-zys/
CoaST, feifei-cv/MCL), which share the definitions; no published file was
looked at. MLCL's ``VGG`` and ``SegFormer`` are refused: the former has
another fc7, the latter other heads, which changed between its versions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmuda.utils.errors import CheckpointError
from mmuda.utils.names import head_name

from .from_advent import RESNET101_BLOCKS
from .published import (
    BACKBONE,
    TARGET_HEADS,
    Layout,
    check_own_targets,
    check_targets,
    head_indices,
    resnet_shapes,
    side,
)
from .state_dicts import StateDict, find_state_dict

NETWORK = 'ResNet101'

_DISCRIMINATOR = 'FCDiscriminator'
_OTHER_NETWORKS = {
    'VGG': 'its fc7 is a 3x3 convolution, in mmuda a 1x1 one',
    'SegFormer': 'mmuda has no head like its',
}
_LIST = 'layer5_list'
_AGNOSTIC = 'segmentor.decode_head'
_ENSEMBLE = 'segmentor.ensemble_head'
# Output channels of stage 4 in widths of the stem.
_IN_WIDTHS = 32
_HINT = (
    'Expected is DeepLab-V2 with a ResNet of {blocks} bottleneck blocks and '
    'the heads {heads} of the form of ProDA.'
)


class Training(NamedTuple):
    """What a published checkpoint says of its training.

    Attributes:
        iteration: Of the checkpoint.
        best_iou: Mean IoU of the agnostic head over the targets.
        warm_up: Whether it is of the stage without an agnostic head.
    """

    iteration: int | None = None
    best_iou: float | None = None
    warm_up: bool | None = None


def find_network(
    checkpoint: Mapping[str, Any], path: str
) -> tuple[StateDict, Training]:
    """Take the network out of a loaded checkpoint.

    Args:
        checkpoint: What ``torch.load`` returned; a bare state dict will do.
        path: The file, for messages.

    Raises:
        CheckpointError: If it holds another network or none.
    """
    for name, reason in _OTHER_NETWORKS.items():
        if name in checkpoint:
            raise CheckpointError(
                f"{path} holds a network '{name}', which cannot be converted:"
                f' {reason}. Pass a checkpoint of {NETWORK}.'
            )
    entry = checkpoint.get(NETWORK, checkpoint)
    if isinstance(entry, Mapping):
        entry = entry.get('model_state', entry)
    network = find_state_dict(entry, path)
    if NETWORK not in checkpoint:
        return network, Training()
    iteration, best_iou = checkpoint.get('iter'), checkpoint.get('best_iou')
    iteration = None if iteration is None else int(iteration)
    if _DISCRIMINATOR in checkpoint:
        # MLCL's IoU is that of the last target's head for all targets.
        return network, Training(iteration, warm_up=True)
    if best_iou is None:
        return network, Training(iteration)
    return network, Training(iteration, float(best_iou), warm_up=False)


def segmentor_layout(
    targets: Sequence[str],
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    num_heads: int | None = None,
    width: int = 64,
    head_sizes: tuple[int, int, int] = (7, 256, 80),
) -> Layout:
    """List a network's tensors.

    Args:
        targets: Targets in the order of the heads.
        stage_blocks: Bottleneck blocks in each stage.
        num_heads: That of the targets in the warm-up, one more (agnostic) in
            CoaST, two more (agnostic, ensemble) in MLCL; CoaST by default.
        width: Channels of the stem.
        head_sizes: Classes, channels of a branch, channels squeezed to.
    """
    own = [TARGET_HEADS + head_name(target) for target in targets]
    count = len(own) + 1 if num_heads is None else num_heads
    own = [*own, _AGNOSTIC, _ENSEMBLE][:count]
    shapes = resnet_shapes(width, stage_blocks)
    names = {name: f'{BACKBONE}{name}' for name in shapes}
    for index, prefix in enumerate(own):
        inputs = _IN_WIDTHS * width
        if prefix == _ENSEMBLE:
            inputs *= len(targets)
        head = head_entries(inputs, *head_sizes)
        for old, (new, shape) in head.items():
            names[f'{_LIST}.{index}.{old}'] = f'{prefix}.{new}'
            shapes[f'{_LIST}.{index}.{old}'] = shape
    heads = [prefix.removeprefix('segmentor.') for prefix in own]
    hint = _HINT.format(blocks=tuple(stage_blocks), heads=', '.join(heads))
    return Layout(names, shapes, hint)


def segmentor_from_published(
    state_dict: Mapping[str, Tensor],
    targets: Sequence[str],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    warm_up: bool | None = None,
) -> StateDict:
    """Rename a published network to mmuda's names.

    A network of the warm-up gives no ``decode_head``, which the training
    after it starts anew.

    Args:
        state_dict: Tensors by published name.
        targets: Targets in the order of the published training.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        warm_up: Whether it is a network of the warm-up, if that is known.

    Raises:
        CheckpointError: If names are missing or unknown, a shape differs or
            the number of heads does not fit the targets.
        ConfigError: If a target's name is unusable.
    """
    targets = check_targets(targets, required=True)
    num_heads = len(head_indices(state_dict, _LIST))
    _check_num_heads(num_heads, targets, path, warm_up)
    sizes = (
        side(state_dict, f'{_LIST}.0.head.1.weight'),
        side(state_dict, f'{_LIST}.0.conv2d_list.0.0.weight'),
        side(state_dict, f'{_LIST}.0.bottleneck.0.se.0.weight'),
    )
    width = side(state_dict, 'conv1.weight')
    layout = segmentor_layout(targets, stage_blocks, num_heads, width, sizes)
    return with_convolutions(layout.from_published(state_dict, path))


def segmentor_to_published(
    state_dict: Mapping[str, Tensor],
    targets: Sequence[str],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
) -> StateDict:
    """Rename the segmentor of an mmuda checkpoint to the published names.

    Names that do not start with ``segmentor.`` are not looked at.

    Args:
        state_dict: Tensors by mmuda's name.
        targets: Targets in the order that the published list shall have.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.

    Raises:
        CheckpointError: If names of the segmentor are missing or unknown, a
            shape differs or it has heads of other targets.
        ConfigError: If a target's name is unusable.
    """
    targets = check_targets(targets, required=True)
    check_own_targets(state_dict, targets, path)
    own = with_linear_layers(state_dict)
    first = TARGET_HEADS + head_name(targets[0])
    sizes = (
        side(own, f'{first}.conv_seg.weight'),
        side(own, f'{first}.branches.0.0.weight'),
        side(own, f'{first}.se.conv1.conv.weight'),
    )
    further = [
        any(name.startswith(f'{prefix}.') for name in own)
        for prefix in (_AGNOSTIC, _ENSEMBLE)
    ]
    # An ensemble head alone makes the agnostic one a missing one.
    num_heads = len(targets) + (2 if further[1] else int(further[0]))
    width = side(own, f'{BACKBONE}conv1.weight')
    layout = segmentor_layout(targets, stage_blocks, num_heads, width, sizes)
    return layout.to_published(own, path)


def _check_num_heads(
    num_heads: int,
    targets: Sequence[str],
    path: str,
    warm_up: bool | None,
) -> None:
    kinds = {
        'the warm-up': 0,
        'CoaST (with an agnostic head)': 1,
        'MLCL (with an agnostic and an ensemble head)': 2,
    }
    if warm_up is not None:
        kinds = {k: n for k, n in kinds.items() if (n == 0) == warm_up}
    if num_heads - len(targets) not in kinds.values():
        fitting = ', '.join(
            f'{num_heads - extra} in {kind}'
            for kind, extra in kinds.items()
            if num_heads > extra
        )
        raise CheckpointError(
            f'{path} holds {num_heads} heads, which do not fit the targets '
            f'{list(targets)}: name as many targets (--targets) as it was '
            f'trained on ({fitting or "none"}), in the order of training.'
        )


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
    layers: dict[str, tuple[str, tuple[int, ...]]] = {}
    for i in range(_NUM_BRANCHES):
        old, new, kernel = f'conv2d_list.{i}', f'branches.{i}', 3 if i else 1
        weight = (channels, inputs, kernel, kernel)
        layers[f'{old}.0'] = (f'{new}.0', weight)
        layers[f'{old}.1'] = (f'{new}.1', (channels,))
    layers |= {
        'bottleneck.0.se.0': ('se.conv1.conv', (squeezed, width)),
        'bottleneck.0.se.2': ('se.conv2.conv', (width, squeezed)),
        'bottleneck.1': ('bottleneck.0', (channels, width, 3, 3)),
        'bottleneck.2': ('bottleneck.1', (channels,)),
    }
    entries: dict[str, tuple[str, tuple[int, ...]]] = {}
    for old, (new, shape) in layers.items():
        entries[f'{old}.weight'] = (f'{new}.weight', shape)
        entries[f'{old}.bias'] = (f'{new}.bias', shape[:1])
    entries['head.1.weight'] = 'conv_seg.weight', (num_classes, channels, 1, 1)
    return entries


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
