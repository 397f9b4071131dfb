# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Making a checkpoint fit a UDA model.

A training may start from a checkpoint that lacks heads; nothing else makes
up what predicts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.segmentors.base import BaseSegmentor
from torch import nn

from mmuda.models.coverage import HEADS, check_cover
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.players import unwrap
from mmuda.utils.screen import tell
from mmuda.utils.weights import check_finite


def fit_state_dict(
    state_dict: dict, prefix: str, model: BaseSegmentor
) -> None:
    """Make a state loadable by a UDA model, in place.

    Nothing that predicts is made up: see :func:`start_from` for that.

    Args:
        state_dict: Tensors by name, of a UDA model or of a plain mmseg one.
        prefix: Prefix of the UDA model itself.
        model: The UDA model.

    Raises:
        CheckpointError: See :func:`check_cover`; a value is not finite; or
            the teacher, which predicts, is not stored.
    """
    file = model.loading_from
    check_finite(state_dict, file)
    plain = add_segmentor_prefix(state_dict, prefix)
    segmentor = unwrap(model.segmentor)
    check_cover(segmentor, state_dict, f'{prefix}segmentor.', file)
    if model.teacher is None:
        drop_teacher(state_dict, prefix)
    else:
        if model.predict_on == 'teacher' and not plain:
            _require_teacher(state_dict, prefix, file)
        add_teacher(state_dict, prefix)
        check_cover(model.teacher, state_dict, f'{prefix}teacher.', file)
    fit_other_parts(state_dict, prefix, model)


def start_from(
    model: BaseSegmentor, state_dict: dict, new_parts: Sequence[str] = ()
) -> None:
    """Let a training begin with the weights of another, in place.

    Heads that an earlier stage of a method had not, and the teacher, are
    added; see :func:`add_new_heads` and :func:`add_teacher`.

    Args:
        model: The UDA model, initialised.
        state_dict: Tensors by name, of a UDA model or of a plain mmseg one.
        new_parts: What starts anew, whatever is stored: ``heads`` for all
            but backbone and neck of the segmentor (and of its teacher and
            experts), or names of other parts, such as ``discriminator``.

    Raises:
        CheckpointError: The segmentor, or a discriminator or the like that is
            stored, does not fit; names all of them.
        ConfigError: The model has no such part.
    """
    check_new_parts(model, new_parts)
    for name in [n for n in state_dict if n.startswith('module.')]:
        state_dict[name.removeprefix('module.')] = state_dict.pop(name)
    add_segmentor_prefix(state_dict, '')
    segmentor = unwrap(model.segmentor)
    if HEADS in new_parts:
        _renew_heads(model, state_dict)
    else:
        add_new_heads(segmentor, state_dict, 'segmentor.')
    for part in new_parts:
        # What is not stored keeps its initial values.
        _drop(state_dict, f'{part}.')
    _check_parts(model, state_dict)
    if model.teacher is not None:
        add_teacher(state_dict, '')


def _check_parts(model: BaseSegmentor, state_dict: dict) -> None:
    parts = [('segmentor', unwrap(model.segmentor))]
    parts += _other_parts(model, state_dict, '')
    faults = {}
    for name, child in parts:
        try:
            check_cover(child, state_dict, f'{name}.', model.loading_from)
        except CheckpointError as error:
            option = HEADS if name == 'segmentor' else name
            faults[option] = str(error)
    if faults:
        # A backbone that does not fit can't start anew.
        hints = all('--new-parts' in fault for fault in faults.values())
        more = f'; all together: --new-parts {" ".join(faults)}'
        raise CheckpointError(
            next(iter(faults.values()))
            + (more if hints and len(faults) > 1 else '')
        )


def check_new_parts(model: BaseSegmentor, new_parts: Sequence[str]) -> None:
    """Refuse parts that a model does not have, or that can't start anew.

    Args:
        model: A UDA model.
        new_parts: ``heads`` or names of children.

    Raises:
        ConfigError: See above.
    """
    known = [HEADS]
    known += [
        name
        for name, child in model.named_children()
        if not isinstance(unwrap(child), BaseSegmentor)
        and any(True for _ in child.parameters())
    ]
    for part in new_parts:
        if part not in known:
            raise ConfigError(
                f"--new-parts: the model has no '{part}' that could start "
                f'anew; it has {", ".join(known)}{did_you_mean(part, known)}'
            )


def _other_parts(
    model: BaseSegmentor, state_dict: Mapping[str, Any], prefix: str
) -> list[tuple[str, nn.Module]]:
    """Parts of a model that are stored, but its segmentors."""
    stored = {
        name[len(prefix) :].split('.')[0]
        for name in state_dict
        if name.startswith(prefix)
    }
    children = [
        (name, unwrap(child)) for name, child in model.named_children()
    ]
    return [
        (name, child)
        for name, child in children
        if name in stored and not isinstance(child, BaseSegmentor)
    ]


def _renew_heads(model: BaseSegmentor, state_dict: dict) -> None:
    kept = ('segmentor.backbone.', 'segmentor.neck.')
    for name, child in model.named_children():
        if name != 'segmentor' and isinstance(unwrap(child), BaseSegmentor):
            # Teachers and experts start as the segmentor.
            _drop(state_dict, f'{name}.')
    for name in [n for n in state_dict if n.startswith('segmentor.')]:
        if not name.startswith(kept):
            del state_dict[name]
    for name, tensor in unwrap(model.segmentor).state_dict().items():
        if not f'segmentor.{name}'.startswith(kept):
            state_dict[f'segmentor.{name}'] = tensor
    _log('the model starts with new heads')


def _drop(state_dict: dict, prefix: str) -> None:
    for name in [n for n in state_dict if n.startswith(prefix)]:
        del state_dict[name]


def _require_teacher(state_dict: dict, prefix: str, file: str) -> None:
    if not any(n.startswith(f'{prefix}teacher.') for n in state_dict):
        raise CheckpointError(
            f'{file} has no teacher, which predicts by this config; '
            "set model.predict_on='segmentor', or use a checkpoint of a "
            'training with a teacher'
        )


def fit_other_parts(
    state_dict: dict, prefix: str, model: BaseSegmentor
) -> None:
    """Let a model start from another stage or method, in place.

    Parts such as discriminators that are not stored keep the values they
    have; stored ones that the model does not have, or that do not fit, are
    left out.

    Args:
        state_dict: Tensors by name.
        prefix: Prefix of the UDA model itself.
        model: The UDA model.
    """
    own = model.state_dict()
    for name, child in _other_parts(model, state_dict, prefix):
        try:
            check_cover(child, state_dict, f'{prefix}{name}.')
        except CheckpointError:
            # It predicts nothing; a training has refused it before.
            _log(f'its {name} does not fit this config and is left out')
            _drop(state_dict, f'{prefix}{name}.')
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


def add_segmentor_prefix(state_dict: dict, prefix: str) -> bool:
    """Turn the state of a plain mmseg model into a wrapper's, in place.

    Args:
        state_dict: Tensors by name. Left alone if any name starts with
            ``<prefix>segmentor.``.
        prefix: Prefix of the UDA model itself.

    Returns:
        Whether it was a plain model's.
    """
    wanted = f'{prefix}segmentor.'
    names = [n for n in state_dict if n.startswith(prefix)]
    if any(n.startswith(wanted) for n in names):
        return False
    for name in names:
        state_dict[wanted + name[len(prefix) :]] = state_dict.pop(name)
    return True


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


def add_new_heads(
    segmentor: BaseSegmentor, state_dict: dict, prefix: str
) -> None:
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


def _log(message: str) -> None:
    tell(f'Checkpoint: {message}')
