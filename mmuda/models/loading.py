# Copyright (c) mmuda authors.
"""Making a checkpoint fit a UDA model, whatever its networks do.

A training may start from a checkpoint that lacks heads; nothing else makes
up what predicts. The main player, ``model.main``, is a method's segmentor or
the like; ``model.network_type`` is the class of it and of its followers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModel
from torch import nn

from mmuda.models.players import unwrap
from mmuda.models.trained import (
    FEATURES,
    HEADS,
    check_cover,
    part_of,
    unfit_heads,
)
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.screen import tell
from mmuda.utils.weights import check_finite


def fit_state_dict(state_dict: dict, prefix: str, model: BaseModel) -> None:
    """Make a state loadable by a UDA model, in place.

    Nothing that predicts is made up: see :func:`start_from` for that.

    Args:
        state_dict: Tensors by name, of a UDA model or of a plain network.
        prefix: Prefix of the UDA model itself.
        model: The UDA model.

    Raises:
        CheckpointError: See :func:`check_cover`; a value is not finite; or
            the teacher, which predicts, is not stored.
    """
    file = model.loading_from
    check_finite(state_dict, file)
    plain = add_main_prefix(state_dict, prefix, model.main)
    check_cover(model.network, state_dict, f'{prefix}{model.main}.', file)
    if model.teacher is None:
        drop_teacher(state_dict, prefix)
    else:
        if model.predict_on == 'teacher' and not plain:
            _require_teacher(state_dict, prefix, model)
        copy_main_to('teacher', state_dict, prefix, model.main)
        check_cover(model.teacher, state_dict, f'{prefix}teacher.', file)
    for name in model.teachers:
        copy_main_to(name, state_dict, prefix, model.main)
    fit_other_parts(state_dict, prefix, model)


def start_from(
    model: BaseModel, state_dict: dict, new_parts: Sequence[str] = ()
) -> None:
    """Let a training begin with the weights of another, in place.

    Heads that an earlier stage of a method had not, and the teacher, are
    added; the network knows its heads (``add_new_heads``).

    Args:
        model: The UDA model, initialised.
        state_dict: Tensors by name, of a UDA model or of a plain network.
        new_parts: What starts anew, whatever is stored: ``heads`` for all
            but backbone and neck of the main player (and of its teacher and
            experts), or names of heads, such as ``attention_head``, and of
            other parts, such as ``discriminator``.

    Raises:
        CheckpointError: The main player, or a discriminator or the like that
            is stored, does not fit; names all of them.
        ConfigError: The model has no such part.
    """
    check_new_parts(model, new_parts)
    for name in [n for n in state_dict if n.startswith('module.')]:
        state_dict[name.removeprefix('module.')] = state_dict.pop(name)
    add_main_prefix(state_dict, '', model.main)
    _renew_heads(model, state_dict, new_parts)
    if HEADS not in new_parts and hasattr(model.network, 'add_new_heads'):
        model.network.add_new_heads(state_dict, f'{model.main}.')
    for part in new_parts:
        # What is not stored keeps its initial values.
        _drop(state_dict, f'{part}.')
    _check_parts(model, state_dict)
    for name in model.teachers:
        copy_main_to(name, state_dict, '', model.main)


def _check_parts(model: BaseModel, state_dict: dict) -> None:
    parts = [(model.main, model.network)]
    parts += _other_parts(model, state_dict, '')
    faults = {}
    for name, child in parts:
        try:
            check_cover(child, state_dict, f'{name}.', model.loading_from)
        except CheckpointError as error:
            option = name
            if name == model.main:
                stored = part_of(state_dict, f'{name}.')
                option = ' '.join(unfit_heads(stored, child.state_dict()))
            faults[option] = str(error)
    if faults:
        # A backbone that does not fit can't start anew.
        hints = all('--new-parts' in fault for fault in faults.values())
        more = f'; all together: --new-parts {" ".join(faults)}'
        raise CheckpointError(
            next(iter(faults.values()))
            + (more if hints and len(faults) > 1 else '')
        )


def check_new_parts(model: BaseModel, new_parts: Sequence[str]) -> None:
    """Refuse parts that a model does not have, or that can't start anew.

    Args:
        model: A UDA model.
        new_parts: ``heads``, or names of heads and of other children.

    Raises:
        ConfigError: See above.
    """
    known = [HEADS, *_heads(model)]
    known += [
        name
        for name, child in model.named_children()
        if not isinstance(unwrap(child), model.network_type)
        and any(True for _ in child.parameters())
    ]
    for part in new_parts:
        if part not in known:
            raise ConfigError(
                f"--new-parts: the model has no '{part}' that could start "
                f'anew; it has {", ".join(known)}{did_you_mean(part, known)}'
            )


def _other_parts(
    model: BaseModel, state_dict: Mapping[str, Any], prefix: str
) -> list[tuple[str, nn.Module]]:
    """Parts of a model that are stored, but networks that predict."""
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
        if name in stored and not isinstance(child, model.network_type)
    ]


def _heads(model: BaseModel) -> list[str]:
    """Parts of the main player that have weights, but make no features."""
    names = model.network.state_dict()
    parts = dict.fromkeys(name.split('.')[0] for name in names)
    return [part for part in parts if part not in FEATURES]


def _renew_heads(
    model: BaseModel, state_dict: dict, new_parts: Sequence[str]
) -> None:
    main = f'{model.main}.'

    def is_new(name: str) -> bool:
        part = name.removeprefix(main).split('.')[0]
        wanted = HEADS in new_parts or part in new_parts
        return wanted and part not in FEATURES

    heads = [head for head in _heads(model) if is_new(head)]
    if not heads:
        return
    for name, child in model.named_children():
        other = name != model.main
        if other and isinstance(unwrap(child), model.network_type):
            # Teachers and experts start as the main player.
            _drop(state_dict, f'{name}.')
    for name in [n for n in state_dict if n.startswith(main)]:
        if is_new(name):
            del state_dict[name]
    for name, tensor in model.network.state_dict().items():
        if is_new(name):
            state_dict[main + name] = tensor
    _log(f'the model starts with new heads: {", ".join(heads)}')


def _drop(state_dict: dict, prefix: str) -> None:
    for name in [n for n in state_dict if n.startswith(prefix)]:
        del state_dict[name]


def _require_teacher(state_dict: dict, prefix: str, model: BaseModel) -> None:
    if not any(n.startswith(f'{prefix}teacher.') for n in state_dict):
        raise CheckpointError(
            f'{model.loading_from} has no teacher, which predicts by this '
            f"config; set model.predict_on='{model.main}', or use a "
            'checkpoint of a training with a teacher'
        )


def fit_other_parts(state_dict: dict, prefix: str, model: BaseModel) -> None:
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
        _log(f'left out, as the model has none: {", ".join(foreign)}')


def add_main_prefix(state_dict: dict, prefix: str, main: str) -> bool:
    """Turn the state of a plain network into a method's, in place.

    Args:
        state_dict: Tensors by name. Left alone if any name starts with
            ``<prefix><main>.``.
        prefix: Prefix of the UDA model itself.
        main: Name of the main player.

    Returns:
        Whether it was a plain network's.
    """
    wanted = f'{prefix}{main}.'
    names = [n for n in state_dict if n.startswith(prefix)]
    if any(n.startswith(wanted) for n in names):
        return False
    for name in names:
        state_dict[wanted + name[len(prefix) :]] = state_dict.pop(name)
    return True


def copy_main_to(name: str, state_dict: dict, prefix: str, main: str) -> None:
    """Let a network start as the main player if it is not stored, in place.

    Args:
        name: Child of the UDA model of the same form as the main player.
        state_dict: Tensors by name. Left alone if any name starts with the
            child's.
        prefix: Prefix of the UDA model itself.
        main: Name of the main player.
    """
    wanted = f'{prefix}{name}.'
    if any(key.startswith(wanted) for key in state_dict):
        return
    start = f'{prefix}{main}.'
    for key in [k for k in state_dict if k.startswith(start)]:
        state_dict[wanted + key[len(start) :]] = state_dict[key]
    _log(f"it has no {name}: the model's starts as a copy of the {main}")


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
