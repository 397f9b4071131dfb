# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Names of the discriminators of published MTAF checkpoints and of mmuda's.

Each discriminator is a file of its own next to the network's, such as
``model_2000_D_main_0.pth`` next to ``model_2000.pth``.

How sure the names are: those of the files were read in the released training
code. Those inside a file (``0.weight``, ..., ``8.bias``) are ADVENT's, on
which MTAF builds; MTAF's own definition was not read.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from mmuda.utils.errors import CheckpointError

from .advent import LEVELS, discriminator_names
from .state_dicts import StateDict, rename_exactly

_FILES = {'decode': ('D_main', 'D_target'), 'aux': ('D_aux', 'D_target_aux')}
_HINT = 'Expected is a discriminator of five convolutions.'


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
        return {'D_main': (f'discriminator_{targets[-1]}', 'decode')}
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
    return rename_exactly(state_dict, _names(own, level), path, _HINT)


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
    return rename_exactly(found, back, path, _HINT)


def _names(own: str, level: str) -> dict[str, str]:
    return {
        old: f'{own}.{new.removeprefix("discriminator.")}'
        for old, new in discriminator_names(level).items()
    }
