# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checking that a checkpoint fits the networks it is loaded into."""

import logging

from mmengine.logging import print_log
from torch import Tensor, nn

from mmuda.utils.errors import CheckpointError
from mmuda.utils.text import join_some


def fit_state_dict(
    state_dict: dict,
    prefix: str,
    segmentor: nn.Module,
    teacher: nn.Module | None,
) -> None:
    """Make a state loadable by a UDA model, in place.

    Args:
        state_dict: Tensors by name, of a UDA model or of a plain mmseg one.
        prefix: Prefix of the UDA model itself.
        segmentor: Its segmentor, without a distributed wrapper.
        teacher: Its teacher, if it has one.

    Raises:
        CheckpointError: See :func:`check_cover`.
    """
    add_segmentor_prefix(state_dict, prefix)
    add_new_heads(segmentor, state_dict, f'{prefix}segmentor.')
    check_cover(segmentor, state_dict, f'{prefix}segmentor.')
    if teacher is None:
        drop_teacher(state_dict, prefix)
    else:
        add_teacher(state_dict, prefix)
        check_cover(teacher, state_dict, f'{prefix}teacher.')


def fit_other_parts(state_dict: dict, prefix: str, model: nn.Module) -> None:
    """Let a model start from another stage or method, in place.

    Parts such as discriminators that are not stored keep the values they
    have; stored ones that the model does not have are left out.

    Args:
        state_dict: Tensors by name.
        prefix: Prefix of the UDA model itself.
        model: The UDA model.
    """
    own = model.state_dict()
    parts = {name.split('.')[0] for name in own}
    stored = {
        name[len(prefix) :].split('.')[0]
        for name in state_dict
        if name.startswith(prefix)
    }
    new, foreign = sorted(parts - stored), sorted(stored - parts)
    for name, value in own.items():
        if name.split('.')[0] in new:
            state_dict[prefix + name] = value
    for name in list(state_dict):
        if name[len(prefix) :].split('.')[0] in foreign:
            del state_dict[name]
    if new:
        _log(f'it has no {", ".join(new)}: the model starts with new ones')
    if foreign:
        _log(f'its {", ".join(foreign)} are left out: the model has none')


def add_segmentor_prefix(state_dict: dict, prefix: str) -> None:
    """Turn the state of a plain mmseg model into a wrapper's, in place.

    Args:
        state_dict: Tensors by name. Left alone if any name starts with
            ``<prefix>segmentor.``.
        prefix: Prefix of the UDA model itself.
    """
    wanted = f'{prefix}segmentor.'
    names = [n for n in state_dict if n.startswith(prefix)]
    if any(n.startswith(wanted) for n in names):
        return
    for name in names:
        state_dict[wanted + name[len(prefix) :]] = state_dict.pop(name)


def add_teacher(state_dict: dict, prefix: str) -> None:
    """Let the teacher start as the segmentor if it is not stored, in place.

    Args:
        state_dict: Tensors by name. Left alone if any name starts with
            ``<prefix>teacher.``.
        prefix: Prefix of the UDA model itself.
    """
    copy_segmentor_to('teacher', state_dict, prefix)


def copy_segmentor_to(name: str, state_dict: dict, prefix: str) -> None:
    """Let a network start as the segmentor if it is not stored, in place.

    Args:
        name: Child of the UDA model of the same form as the segmentor.
        state_dict: Tensors by name. Left alone if any name starts with the
            child's.
        prefix: Prefix of the UDA model itself.
    """
    wanted = f'{prefix}{name}.'
    if any(key.startswith(wanted) for key in state_dict):
        return
    segmentor = f'{prefix}segmentor.'
    for key in [k for k in state_dict if k.startswith(segmentor)]:
        state_dict[wanted + key[len(segmentor) :]] = state_dict[key]
    _log(f"it has no {name}: the model's starts as a copy of the segmentor")


def add_new_heads(segmentor: nn.Module, state_dict: dict, prefix: str) -> None:
    """Let heads start that an earlier stage of a method had not, in place.

    Heads of targets start as the main one, unless some are stored: then the
    checkpoint is of other targets. An ensemble head starts as it is, and so
    does a main head if those of targets are stored: published warm-ups have
    none.

    Args:
        segmentor: Without a distributed wrapper.
        state_dict: Tensors by name.
        prefix: Prefix of the segmentor's names, with a trailing dot.
    """
    if not hasattr(segmentor, 'target_heads'):
        return
    parts = {'decode': 'decode_head.', 'aux': 'auxiliary_head.'}
    stored = any(n.startswith(f'{prefix}target_heads.') for n in state_dict)
    for target, heads in segmentor.target_heads.items():
        for head in heads if not stored else ():
            start = prefix + parts[head]
            for name in [n for n in state_dict if n.startswith(start)]:
                copied = f'{prefix}target_heads.{target}.{head}.'
                state_dict[copied + name[len(start) :]] = state_dict[name]
    if not stored:
        _log('it has no heads for targets: they start as copies of the main')
    new = ['ensemble_head']
    if stored:
        new += ['decode_head', 'auxiliary_head']
    for part in new:
        head = getattr(segmentor, part, None)
        start = f'{prefix}{part}.'
        if head is None or any(n.startswith(start) for n in state_dict):
            continue
        for name, tensor in head.state_dict().items():
            state_dict[start + name] = tensor
        _log(f'it has no {part}: the one of the model starts anew')


def drop_teacher(state_dict: dict, prefix: str) -> None:
    """Leave out a stored teacher, in place.

    Args:
        state_dict: Tensors by name.
        prefix: Prefix of the UDA model itself.
    """
    stored = [n for n in state_dict if n.startswith(f'{prefix}teacher.')]
    for name in stored:
        del state_dict[name]
    if stored:
        _log('its teacher is left out, since model.teacher is False')


def check_cover(network: nn.Module, state_dict: dict, prefix: str) -> None:
    """Refuse a checkpoint that would leave random weights in a network.

    Args:
        network: Segmentor or teacher, without a distributed wrapper.
        state_dict: Tensors by name.
        prefix: Prefix of the network's names, with a trailing dot.

    Raises:
        CheckpointError: A tensor is missing or has another shape, or the
            checkpoint is of a larger network. Auxiliary heads that the
            network does not have are no fault: they serve training only.
    """
    missing, wrong = [], []
    expected = network.state_dict()
    unknown = [
        name[len(prefix) :]
        for name in state_dict
        if name.startswith(prefix)
        and name[len(prefix) :] not in expected
        and not name.startswith(f'{prefix}auxiliary_head.')
    ]
    for name, tensor in expected.items():
        stored = state_dict.get(prefix + name)
        if name.endswith('num_batches_tracked'):
            continue
        if not isinstance(stored, Tensor):
            missing.append(name)
        elif stored.shape != tensor.shape:
            wrong.append(
                f'{name} {tuple(stored.shape)} instead of '
                f'{tuple(tensor.shape)}'
            )
    if not missing and not wrong and not unknown:
        return
    faults = []
    if missing:
        faults.append(
            f'{len(missing)} tensors are missing: {join_some(missing)}'
        )
    if wrong:
        faults.append(f'{len(wrong)} have another shape: {join_some(wrong)}')
    if unknown:
        names = join_some(unknown)
        faults.append(f'{len(unknown)} belong to another network: {names}')
    part = prefix.removesuffix('.').rpartition('.')[2]
    raise CheckpointError(
        f'the checkpoint does not fit the {part} of this config '
        f'({"; ".join(faults)}); use the config that it was trained with'
    )


def _log(message: str) -> None:
    print_log(f'Checkpoint: {message}', 'current', logging.INFO)
