# Copyright (c) mmuda authors.
"""Names of the published MTAF checkpoints and of mmuda's.

MTAF (Saporta et al., ICCV 2021) has two networks, each saved as a bare state
dict. The baseline and Multi-Dis train ADVENT's: ``layer5`` is the auxiliary
head, ``layer6`` the main one. MTKT's has lists of heads instead,
``aux_classifier_list`` and ``main_classifier_list``: entry 0 is agnostic of
the target, entry i + 1 belongs to target i.

How sure the names are: all were read in the definitions of both networks in
the released code (valeoai/MTAF); no published file was looked at.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from mmuda.utils.errors import CheckpointError
from mmuda.utils.names import AUX, DECODE

from .from_advent import LEVELS, RESNET101_BLOCKS, discriminator_names
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
from .state_dicts import StateDict, rename_exactly

_LISTS = {DECODE: 'main_classifier_list', AUX: 'aux_classifier_list'}
_SINGLE = {DECODE: 'layer6', AUX: 'layer5'}
_OWN = {DECODE: 'segmentor.decode_head', AUX: 'segmentor.auxiliary_head'}
# Input channels of a head in widths of the stem: stage 4 and stage 3.
_IN_WIDTHS = {DECODE: 32, AUX: 16}
_NUM_BRANCHES = 4
_HINT = (
    'Expected is DeepLab-V2 with a ResNet of {blocks} bottleneck blocks and '
    'the heads {levels}, {targets}.'
)


def is_mtkt(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether a network, published or mmuda's, has heads for each target."""
    prefixes = (f'{_LISTS["decode"]}.', TARGET_HEADS)
    return any(name.startswith(prefixes) for name in state_dict)


def segmentor_layout(
    targets: Sequence[str] = (),
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    levels: Sequence[str] = LEVELS,
    width: int = 64,
    num_classes: int = 7,
) -> Layout:
    """List a network's tensors.

    Args:
        targets: Targets of MTKT in the order of its heads; none for the
            network with a single main head.
        stage_blocks: Bottleneck blocks in each stage.
        levels: Heads of the network, ``('decode',)`` if single-level.
        width: Channels of the stem.
        num_classes: Number of classes.
    """
    shapes = resnet_shapes(width, stage_blocks)
    names = {name: f'{BACKBONE}{name}' for name in shapes}
    for level in levels:
        inputs = _IN_WIDTHS[level] * width
        for published, own in _heads(targets, level).items():
            for branch in range(_NUM_BRANCHES):
                old = f'{published}.conv2d_list.{branch}'
                shapes[f'{old}.weight'] = (num_classes, inputs, 3, 3)
                shapes[f'{old}.bias'] = (num_classes,)
                for kind in ('weight', 'bias'):
                    names[f'{old}.{kind}'] = f'{own}.convs.{branch}.{kind}'
    hint = _HINT.format(
        blocks=tuple(stage_blocks),
        levels=tuple(levels),
        targets=f'agnostic and of {list(targets)}' if targets else 'one each',
    )
    return Layout(names, shapes, hint)


def _heads(targets: Sequence[str], level: str) -> dict[str, str]:
    """Prefixes of the heads, published to mmuda's."""
    if not targets:
        return {_SINGLE[level]: _OWN[level]}
    own = [_OWN[level], *(f'{TARGET_HEADS}{t}.{level}' for t in targets)]
    return {f'{_LISTS[level]}.{i}': prefix for i, prefix in enumerate(own)}


def segmentor_from_published(
    state_dict: Mapping[str, Tensor],
    targets: Sequence[str] = (),
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    levels: Sequence[str] = LEVELS,
) -> StateDict:
    """Rename a published network to mmuda's names.

    Args:
        state_dict: Tensors by published name.
        targets: Targets in the order of MTKT's heads; without effect on the
            network with a single main head.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        levels: Heads of the network, ``('decode',)`` if single-level.

    Raises:
        CheckpointError: If names are missing or unknown, a shape differs or
            MTKT has not one head more than there are targets.
        ConfigError: If a target's name is unusable.
    """
    targets = check_targets(targets)
    if is_mtkt(state_dict):
        _check_num_heads(state_dict, targets, path)
    else:
        targets = ()
    head = next(iter(_heads(targets, DECODE)))
    return segmentor_layout(
        targets,
        stage_blocks,
        levels,
        side(state_dict, 'conv1.weight'),
        side(state_dict, f'{head}.conv2d_list.0.bias'),
    ).from_published(state_dict, path)


def segmentor_to_published(
    state_dict: Mapping[str, Tensor],
    targets: Sequence[str] = (),
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    levels: Sequence[str] = LEVELS,
) -> StateDict:
    """Rename the segmentor of an mmuda checkpoint to the published names.

    Names that do not start with ``segmentor.`` are not looked at.

    Args:
        state_dict: Tensors by mmuda's name.
        targets: As of :func:`segmentor_from_published`.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        levels: Heads of the network, ``('decode',)`` if single-level.

    Raises:
        CheckpointError: If names of the segmentor are missing or unknown, a
            shape differs or it has heads of other targets.
        ConfigError: If a target's name is unusable.
    """
    targets = check_targets(targets)
    if is_mtkt(state_dict):
        check_own_targets(state_dict, targets, path)
    else:
        targets = ()
    return segmentor_layout(
        targets,
        stage_blocks,
        levels,
        side(state_dict, f'{BACKBONE}conv1.weight'),
        side(state_dict, f'{_OWN["decode"]}.convs.0.bias'),
    ).to_published(state_dict, path)


def _check_num_heads(
    state_dict: Mapping[str, Tensor], targets: Sequence[str], path: str
) -> None:
    heads = head_indices(state_dict, _LISTS[DECODE])
    if len(heads) != len(targets) + 1:
        raise CheckpointError(
            f'{path} holds {len(heads)} main heads, an agnostic one and '
            f'{len(heads) - 1} of targets, but the targets are '
            f'{list(targets)}: name {len(heads) - 1} (--targets) in the order '
            'of training.'
        )


_FILES = {DECODE: ('D_main', 'D_target'), AUX: ('D_aux', 'D_target_aux')}
_NO_DISCRIMINATOR = 'Expected is a discriminator of five convolutions.'


def discriminator_files(
    targets: Sequence[str], mtkt: bool, levels: Sequence[str] = LEVELS
) -> dict[str, tuple[str, str]]:
    """List the files of the discriminators that MTAF saves.

    MTKT saves one only, that of the last target's main head.

    Args:
        targets: Targets in the order of training; none for the baseline,
            whose discriminators see all targets merged.
        mtkt: Whether the network is MTKT's.
        levels: Heads that are aligned, ``('decode',)`` if single-level.

    Returns:
        By ending of the file's name (``D_main_0``), mmuda's discriminator
        (``discriminator_source_cityscapes``) and its level.
    """
    if mtkt:
        return {'D_main': (f'discriminator_{targets[-1]}', DECODE)}
    files = {}
    for level in levels:
        main, among = _FILES[level]
        if not targets:
            files[main] = ('discriminator', level)
        for i, target in enumerate(targets):
            files[f'{main}_{i}'] = (f'discriminator_source_{target}', level)
            if len(targets) > 2:
                own = f'discriminator_targets_{target}'
                files[f'{among}_{i}'] = (own, level)
        if len(targets) == 2:
            files[among] = ('discriminator_targets', level)
    return files


def discriminator_from_published(
    state_dict: Mapping[str, Tensor], own: str, level: str, path: str
) -> StateDict:
    """Rename a published discriminator to mmuda's names.

    Args:
        state_dict: Tensors by published name.
        own: mmuda's discriminator, as of :func:`discriminator_files`.
        level: Its level.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown.
    """
    names = _names(own, level)
    return rename_exactly(state_dict, names, path, _NO_DISCRIMINATOR)


def discriminator_to_published(
    state_dict: Mapping[str, Tensor], own: str, level: str, path: str
) -> StateDict:
    """Rename one discriminator of an mmuda checkpoint to published names.

    Args:
        state_dict: Tensors by mmuda's name; only those of this discriminator
            are looked at.
        own: mmuda's discriminator, as of :func:`discriminator_files`.
        level: Its level.
        path: The file, for messages.

    Raises:
        CheckpointError: If the discriminator is missing or another one.
    """
    prefix = f'{own}.levels.{level}.'
    found = {k: v for k, v in state_dict.items() if k.startswith(prefix)}
    if not found:
        raise CheckpointError(
            f'{path} holds no {prefix}*: convert without the discriminators, '
            'or name the targets of this training (--targets).'
        )
    back = {new: old for old, new in _names(own, level).items()}
    return rename_exactly(found, back, path, _NO_DISCRIMINATOR)


def _names(own: str, level: str) -> dict[str, str]:
    return {
        old: f'{own}.{new.removeprefix("discriminator.")}'
        for old, new in discriminator_names(level).items()
    }
