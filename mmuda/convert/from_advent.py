# Copyright (c) mmuda authors.
"""Names of the published ADVENT checkpoints and of mmuda's.

The published network is DeepLab-V2 with a bottleneck ResNet: ``layer5`` is
the auxiliary head, ``layer6`` the main head. The published discriminators
are one file each, with the names of a plain sequence (``0.weight``, ...,
``8.bias``).
"""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from mmuda.utils.errors import CheckpointError
from mmuda.utils.names import AUX, DECODE

from .state_dicts import StateDict, rename_exactly

RESNET101_BLOCKS = (3, 4, 23, 3)
LEVELS = (DECODE, AUX)

_NUM_BRANCHES = 4
_PUBLISHED_HEAD = {DECODE: 'layer6', AUX: 'layer5'}
_OWN_HEAD = {DECODE: 'decode_head', AUX: 'auxiliary_head'}
_DISCRIMINATOR_CONVS = (0, 2, 4, 6, 8)
_BATCH_NORM = (
    'weight',
    'bias',
    'running_mean',
    'running_var',
    'num_batches_tracked',
)
_NETWORK_HINT = (
    'Expected is DeepLab-V2 with a ResNet of {blocks} bottleneck blocks and'
    ' the heads {levels}.'
)


def segmentor_names(
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    levels: Sequence[str] = LEVELS,
) -> dict[str, str]:
    """List the network's names: published to mmuda's.

    Args:
        stage_blocks: Bottleneck blocks in each stage.
        levels: Heads of the network, ``('decode',)`` if single-level.
    """
    names = {
        name: f'segmentor.backbone.{name}'
        for name in _backbone_names(stage_blocks)
    }
    for level in levels:
        for branch in range(_NUM_BRANCHES):
            for kind in ('weight', 'bias'):
                old = f'{_PUBLISHED_HEAD[level]}.conv2d_list.{branch}.{kind}'
                new = f'segmentor.{_OWN_HEAD[level]}.convs.{branch}.{kind}'
                names[old] = new
    return names


def _backbone_names(stage_blocks: Sequence[int]) -> Iterator[str]:
    yield from _conv_and_norm('conv1', 'bn1')
    for stage, num_blocks in enumerate(stage_blocks, start=1):
        for block in range(num_blocks):
            prefix = f'layer{stage}.{block}.'
            for i in (1, 2, 3):
                yield from _conv_and_norm(f'{prefix}conv{i}', f'{prefix}bn{i}')
            if block == 0:
                shortcut = f'{prefix}downsample'
                yield from _conv_and_norm(f'{shortcut}.0', f'{shortcut}.1')


def _conv_and_norm(conv: str, norm: str) -> Iterator[str]:
    yield f'{conv}.weight'
    yield from (f'{norm}.{kind}' for kind in _BATCH_NORM)


def discriminator_names(level: str) -> dict[str, str]:
    """List the names of one discriminator: published to mmuda's."""
    prefix = f'discriminator.levels.{level}.layers'
    return {
        f'{index}.{kind}': f'{prefix}.{index}.{kind}'
        for index in _DISCRIMINATOR_CONVS
        for kind in ('weight', 'bias')
    }


def segmentor_from_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    levels: Sequence[str] = LEVELS,
) -> StateDict:
    """Rename a published network to mmuda's names.

    Args:
        state_dict: Tensors by published name.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        levels: Heads of the network, ``('decode',)`` if single-level.

    Raises:
        CheckpointError: If names are missing or unknown.
    """
    hint = _NETWORK_HINT.format(
        blocks=tuple(stage_blocks), levels=tuple(levels)
    )
    names = segmentor_names(stage_blocks, levels)
    return rename_exactly(state_dict, names, path, hint)


def segmentor_to_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    levels: Sequence[str] = LEVELS,
) -> StateDict:
    """Rename the segmentor of an mmuda checkpoint to the published names.

    Names that do not start with ``segmentor.`` are not looked at.

    Args:
        state_dict: Tensors by mmuda's name.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        levels: Heads of the network, ``('decode',)`` if single-level.

    Raises:
        CheckpointError: If names of the segmentor are missing or unknown.
    """
    hint = _NETWORK_HINT.format(
        blocks=tuple(stage_blocks), levels=tuple(levels)
    )
    names = segmentor_names(stage_blocks, levels)
    return rename_exactly(
        _starting_with(state_dict, 'segmentor.'), _inverse(names), path, hint
    )


def discriminator_from_published(
    state_dict: Mapping[str, Tensor], level: str, path: str = 'the file'
) -> StateDict:
    """Rename a published discriminator to mmuda's names.

    Args:
        state_dict: Tensors by published name.
        level: ``'decode'`` for the main one, ``'aux'`` for the other.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown.
    """
    hint = 'Expected is a discriminator of five convolutions.'
    return rename_exactly(state_dict, discriminator_names(level), path, hint)


def discriminator_to_published(
    state_dict: Mapping[str, Tensor], level: str, path: str = 'the file'
) -> StateDict:
    """Rename one discriminator of an mmuda checkpoint to published names.

    Args:
        state_dict: Tensors by mmuda's name; only those of this level's
            discriminator are looked at.
        level: ``'decode'`` for the main one, ``'aux'`` for the other.
        path: The file, for messages.

    Raises:
        CheckpointError: If the discriminator is missing or another one.
    """
    prefix = f'discriminator.levels.{level}.'
    found = _starting_with(state_dict, prefix)
    if not found:
        raise CheckpointError(
            f"{path} holds no discriminator of level '{level}'"
            f' ({prefix}*): leave it out of the conversion.'
        )
    hint = 'Expected is a discriminator of five convolutions.'
    names = _inverse(discriminator_names(level))
    return rename_exactly(found, names, path, hint)


def _starting_with(state_dict: Mapping[str, Tensor], prefix: str) -> StateDict:
    return {k: v for k, v in state_dict.items() if k.startswith(prefix)}


def _inverse(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}
