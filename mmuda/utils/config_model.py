# Copyright (c) mmuda authors.
"""A model out of a network, a method on it and what a config says itself."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.config import DELETE_KEY

from mmuda.registry import MODELS
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError
from mmuda.utils.tool_commands import tool_command

_HEADS = {'decode': 'decode_head', 'aux': 'auxiliary_head'}


def compose_model(cfg: Config) -> None:
    """Put ``network`` and ``method`` under ``model``, in place.

    Two files of ``_base_`` may not set the same key, so that one of
    ``configs/_base_/networks`` sets ``network`` and one of
    ``configs/_base_/methods`` sets ``method``; ``model`` is what a config
    changes of both. A method's weights by head, and the levels of its
    discriminator, are those of the heads that the network has: one without
    an auxiliary head takes ``decode`` alone.

    Args:
        cfg: A whole config; one without these keys is left as it is.

    Raises:
        ConfigError: One of the three is no dict, or the network is one of
            mmseg by itself.
    """
    given = {key: cfg.pop(key, None) for key in ('network', 'method')}
    # None takes out what a base has.
    parts = {key: part for key, part in given.items() if part is not None}
    if not parts:
        return
    own = cfg.get('model', {})
    for key, part in (parts | dict(model=own)).items():
        if not isinstance(part, Mapping):
            raise ConfigError(f'{key}={part!r}: must be a dict')
    network, method = parts.get('network', {}), parts.get('method', {})
    # It has replaced another method, and takes the network all the same.
    method.pop(DELETE_KEY, None)
    below = merged(method, network)
    _fit_heads(method, below, merged(own, below).get('segmentor'))
    model = merged(own, below)
    if method and 'backbone' in model and 'segmentor' not in model:
        raise ConfigError(
            'model: a network alone, as one of mmseg, does not go with a '
            "method; write it as network=dict(segmentor=dict(type='"
            "UDAEncoderDecoder', backbone=..., decode_head=...)), as in "
            'configs/_base_/networks'
        )
    cfg.model = model


def _fit_heads(method: Mapping, model: dict, segmentor: Any) -> None:
    """Leave out what a method says of heads that a network lacks."""
    if not isinstance(segmentor, Mapping):
        return
    heads = [head for head, key in _HEADS.items() if segmentor.get(key)]
    for key, value in method.items():
        if isinstance(value, Mapping) and set(value) <= set(_HEADS):
            model[key] = {head: value[head] for head in heads if head in value}
    judge = model.get('discriminator')
    if isinstance(judge, dict):
        judge.setdefault('levels', heads)


def fill_model(
    model: Any,
    num_classes: int,
    targets: list[str],
    class_weight: Sequence[float] | None = None,
) -> None:
    """Tell a model what its setting is, in place.

    Args:
        model: Config of a method.
        num_classes: Of the heads, and the channels of discriminators, that
            do not say so themselves.
        targets: In place of each ``targets=None``.
        class_weight: Of the losses of heads that do not say so themselves;
            None for what they have by default.

    Raises:
        ConfigError: There is not one weight for each class, or a head has no
            loss that takes them.
    """
    if not isinstance(model, dict):
        return
    if 'targets' in model and model['targets'] is None:
        model['targets'] = list(targets)
    heads = [model.get(name) for name in _HEADS.values()]
    for head in heads:
        for part in head if isinstance(head, list) else [head]:
            if isinstance(part, dict):
                part.setdefault('num_classes', num_classes)
                if class_weight is not None:
                    _weight_classes(part, class_weight)
    judge = model.get('discriminator')
    if isinstance(judge, dict):
        judge.setdefault('in_channels', num_classes)
    fill_model(model.get('segmentor'), num_classes, targets, class_weight)


def _weight_classes(head: dict, class_weight: Sequence[float]) -> None:
    """Give a setting's weights to those losses of a head that take any."""
    if len(class_weight) != head['num_classes']:
        raise ConfigError(
            f'class_weight of the setting: {len(class_weight)} weights for '
            f'{head["num_classes"]} classes; those of the source are printed '
            f'by {tool_command("misc/class_statistics.py", "CONFIG")}'
        )
    losses = head.get('loss_decode')
    losses = losses if isinstance(losses, list | tuple) else [losses]
    taking = [loss for loss in losses if _takes_class_weight(loss)]
    if not taking:
        raise ConfigError(
            'class_weight of the setting: no loss of the head '
            f'{head.get("type")} takes it; write the head a loss_decode that '
            'does, such as CrossEntropyLoss, or leave it out of the setting'
        )
    for loss in taking:
        loss.setdefault('class_weight', list(class_weight))


def _takes_class_weight(loss: Any) -> bool:
    kind = loss.get('type') if isinstance(loss, Mapping) else None
    # A name that nobody has is told when the model is built.
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return (
        inspect.isclass(kind)
        and 'class_weight' in inspect.signature(kind).parameters
    )


def fill_terms(model: Any, options: Mapping[str, Mapping]) -> None:
    """Tell the terms of a method what is for their setting, in place.

    Args:
        model: Config of a method; what it says of a term itself is kept.
        options: By the type of the term.

    Raises:
        ConfigError: There is no such type.
    """
    for kind in options:
        if MODELS.get(kind) is None:
            known = sorted(MODELS.module_dict)
            raise ConfigError(
                f'terms.{kind} of the setting: there is no such term'
                f'{did_you_mean(kind, known)}'
            )
    terms = model.get('terms') if isinstance(model, Mapping) else None
    for term in terms if isinstance(terms, list | tuple) else ():
        given = term.get('type') if isinstance(term, Mapping) else None
        if isinstance(given, str):
            own = options.get(given.rpartition('.')[2], {})
            for key, value in copy.deepcopy(own).items():
                term.setdefault(key, value)


def merged(own: Any, below: Any) -> ConfigDict:
    """As if a config with ``own`` had inherited from one with ``below``.

    Raises:
        ConfigError: A dict stands where the other has none.
    """
    pair = [copy.deepcopy(dict(part=part)) for part in (own, below)]
    try:
        return Config._merge_a_into_b(*map(ConfigDict, pair))['part']
    except TypeError as error:
        place = _misfit(own, below)
        if place is None:
            raise ConfigError(str(error)) from error
        raise ConfigError(
            f'{place}: a dict here, where what it is merged with has none; '
            'write all of it, with _delete_=True'
        ) from error


def _misfit(own: Any, below: Any, place: str = '') -> str | None:
    """Where a dict stands that the other part has something else for."""
    if not isinstance(below, Mapping):
        return place
    for key, part in own.items():
        inner = f'{place}.{key}' if place else str(key)
        if not isinstance(part, Mapping) or part.get(DELETE_KEY):
            continue
        found = _misfit(part, below[key], inner) if key in below else None
        if found is not None:
            return found
    return None
