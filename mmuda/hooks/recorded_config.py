# Copyright (c) mmuda authors.
"""What of a config decides the course of a run, and comparing two of them.

Values are plain and lie side by side, by dotted key. A parameter that one
config leaves out has its class's default there, and older keywords mean the
terms that took their place.
"""

import re
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmuda.models.followers import TEACHER
from mmuda.utils.config_keys import class_at, known_classes, type_name
from mmuda.utils.config_values import parameter_defaults
from mmuda.utils.errors import CheckpointError
from mmuda.utils.flat_values import flat
from mmuda.utils.text import join_some

_PARTS = (
    'model',
    'optim_wrapper',
    'param_scheduler',
    'train_dataloader',
    'train_cfg',
    'auto_scale_lr',
)
# Hooks that take part in training; others only look on.
_TRAINING_HOOKS = (
    'MeanTeacherHook',
    'CollaborativeConsistencyHook',
    'PseudoLabelRefreshHook',
    'EMAHook',
)
# What the course of a run does not depend on, once it has begun. Images and
# their order are compared by their keys, whatever folder they are in.
_FREE = re.compile(
    r'(^|\.)(init_cfg|pretrained|with_cp|recompute(_features)?|test_cfg'
    r'|predict_on|predict_head|norm_statistics'
    r'|data_prefix|\w+_(root|dir|file|list|path)'
    r'|thresholds$|backend_args|num_workers|persistent_workers|pin_memory'
    r'|image_cache|prefetch_factor|timeout|multiprocessing_context|nonfinite_patience'
    r'|(class_ratio_prior|terms\[\d+\])\.ratio$'
    r'|val_interval|val_begin|dynamic_intervals|_scope_)'
    r'(\.|\[|$)'
)
# The length of a schedule may change, and the run goes on by the new one.
_TAKEN = re.compile(
    r'^(train_cfg\.max_iters'
    r'|param_scheduler.*\.(end|T_max|total_iters|milestones(\[\d+\])?))$'
)
_NOTHING = 'nothing'
_BREAK = re.compile(r'[.\[]')
_TERM = re.compile(r'model\.terms\[(\d+)\]')
_Record = Mapping[str, Any]


def recorded_config(cfg: Config) -> dict[str, Any]:
    """What decides the course of a run, as plain values by dotted key.

    Args:
        cfg: A training config.
    """
    content = cfg.to_dict()
    parts = {key: content[key] for key in _PARTS if content.get(key)}
    for hook in content.get('custom_hooks') or []:
        kind = type_name(hook)
        if kind in _TRAINING_HOOKS:
            # Each of several teachers has a hook.
            name = hook.get('teacher', TEACHER)
            place = kind if name == TEACHER else f'{kind}({name})'
            parts.setdefault('custom_hooks', {})[place] = hook
    return {key: value for key, value in flat(parts) if not _FREE.search(key)}


def changed_lengths(stored: _Record, own: _Record, file: str) -> list[str]:
    """Compare the configs of a checkpoint and of the run that resumes it.

    Args:
        stored: Recorded values by key.
        own: Those of the run.
        file: The checkpoint, for messages.

    Returns:
        Changes that are taken over, in words.

    Raises:
        CheckpointError: There are others; it names key and both values.
    """
    if {*older_terms(stored)} != {*older_terms(own)}:
        stored, own = _with_terms(stored), _with_terms(own)
    then, now = _with_defaults(stored, own), _with_defaults(own, stored)
    keys = [key for key in {**now, **then} if not _same(then, now, key)]
    words = {
        key: f'{key} was {_shown(stored, key)}, now {_shown(own, key)}'
        for key in keys
    }
    refused = [words[key] for key in keys if not _TAKEN.search(key)]
    if refused:
        raise CheckpointError(
            f'{file} cannot be resumed with another configuration: '
            f'{join_some(refused)}; use the config that it was trained with '
            '(the work dir holds it), or start a new training with --load-from'
        )
    return list(words.values())


def older_terms(record: _Record) -> dict[str, str]:
    """Older keywords that add a term, by the key of that term.

    Args:
        record: Values of a config by key.

    Returns:
        Such as ``{'model.class_ratio_prior': 'model.terms[1]'}``, in the
        order of the terms.
    """
    found: dict[str, str] = {}
    places = _places(record)
    number = 1 + max(
        (int(match[1]) for key in record if (match := _TERM.match(key))),
        default=-1,
    )
    for name, (_, parameter) in _keywords(record).items():
        key = f'model.{name}'
        given = record.get(key) if parameter else None
        if key in places and (key not in record or _counts(given)):
            found[key] = f'model.terms[{number + len(found)}]'
    return found


def _counts(value: object) -> bool:
    """Whether a value of an older keyword adds a term."""
    return bool(value) and value != '{}'


def _with_terms(record: _Record) -> dict[str, Any]:
    """Replace older keywords by the terms that they stand for."""
    places, keywords = older_terms(record), _keywords(record)
    written = {
        key: value
        for key, value in record.items()
        if not any(_is_in(key, f'model.{name}') for name in keywords)
        and (key != 'model.terms' or not places)
    }
    for old, new in places.items():
        kind, parameter = keywords[old.removeprefix('model.')]
        written[f'{new}.type'] = kind
        place = f'{new}.{parameter}' if parameter else new
        written |= {
            place + key[len(old) :]: value
            for key, value in record.items()
            if _is_in(key, old)
        }
    return written


def _keywords(record: _Record) -> Mapping[str, tuple[str, str]]:
    kind = record.get('model.type')
    known = class_at('model', {'type': kind}, known_classes())
    return getattr(known, 'deprecated_terms', {})


def _with_defaults(record: _Record, other: _Record) -> dict[str, Any]:
    """Add what a record leaves out of the parameters that the other has."""
    added: dict[str, Any] = {}
    classes = known_classes()
    given, wanted = _places(record), _places(other)
    for key, kind in record.items():
        place = key.removesuffix('.type')
        if place == key or other.get(key) != kind:
            continue
        known = class_at(place, {'type': kind}, classes)
        for name, default in parameter_defaults(known).items():
            parameter = f'{place}.{name}'
            if parameter in wanted and parameter not in given:
                added |= flat(default, parameter)
    return {**record, **added}


def _places(record: _Record) -> set[str]:
    """All keys and what leads to them."""
    return {
        key[:end]
        for key in record
        for end in (*(m.start() for m in _BREAK.finditer(key)), len(key))
    }


def _is_in(key: str, place: str) -> bool:
    """Whether a key is that of a place, or of something in it."""
    return key.startswith(place) and key[len(place) :][:1] in ('', '.', '[')


def _same(stored: _Record, own: _Record, key: str) -> bool:
    # None is what is not there, too; an empty tuple is an empty list.
    then, now = (
        '[]' if record.get(key) == '()' else record.get(key)
        for record in (stored, own)
    )
    return then == now


def _shown(values: _Record, key: str) -> str:
    return repr(values[key]) if key in values else _NOTHING
