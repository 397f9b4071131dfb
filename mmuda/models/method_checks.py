# Copyright (c) mmuda authors.
"""Checks of what methods are built with."""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, get_args

from mmengine.model import BaseModel, BaseModule
from torch import nn

from mmuda.utils.checks import is_number
from mmuda.utils.errors import ConfigError

Choice = TypeVar('Choice', bound=str)


def check_choice(key: str, value: Choice, choices: Any) -> Choice:
    """Refuse an option of a method that is none of its choices.

    Args:
        key: Its key in the config, below ``model``.
        value: The option.
        choices: A ``Literal`` of all, or their tuple.

    Raises:
        ConfigError: It is unknown.
    """
    known = choices if isinstance(choices, tuple) else get_args(choices)
    if value not in known:
        raise ConfigError(f'model.{key} must be one of {known}, not {value!r}')
    return value


def check_pretrained(pretrained: str | None) -> None:
    """Refuse mmseg's older way to name weights.

    Raises:
        ConfigError: It is used.
    """
    if pretrained is not None:
        raise ConfigError(
            f'model.pretrained={pretrained!r} is not read; set '
            'model.segmentor.backbone.init_cfg'
        )


def without_domains(preprocessor: nn.Module) -> ConfigError:
    """The error of a preprocessor that does not know domains."""
    return ConfigError(
        f"model.data_preprocessor: '{type(preprocessor).__name__}' does not "
        "know domains; use 'DomainDataPreprocessor', which takes the "
        "arguments of 'SegDataPreProcessor'"
    )


def require_learner(method: type) -> None:
    """Refuse labels of a target that a method would not learn.

    Args:
        method: Its class; ``learns_labelled_target`` says whether it does.

    Raises:
        ConfigError: It doesn't.
    """
    if not getattr(method, 'learns_labelled_target', False):
        raise ConfigError(
            f'train_dataloader.dataset.labelled_target: {method.__name__}'
            ' does not learn labels of a target (a head or network for each '
            'target could not tell whose they are); leave it out, or take a '
            'method with one network for all targets, such as AdvEnt, '
            'MultiDis or DACS'
        )


def check_segmentor(segmentor: BaseModel) -> None:
    """Refuse a segmentor that can't be trained under methods.

    Raises:
        ConfigError: It is one of mmseg's.
    """
    if not hasattr(segmentor, 'losses'):
        raise ConfigError(
            "model.segmentor.type must be 'UDAEncoderDecoder', not "
            f"'{type(segmentor).__name__}'; it takes the same arguments as "
            "mmseg's EncoderDecoder"
        )


def check_number(
    key: str, value: float, least: float = 0.0, most: float | None = None
) -> float:
    """Refuse a number of a method that is out of its range.

    Args:
        key: Its key in the config, below ``model``.
        value: The number.
        least: Smallest that is allowed.
        most: Largest that is allowed, if there is a limit.

    Raises:
        ConfigError: It is no finite number, or out of its range.
    """
    highest = sys.float_info.max if most is None else most
    # NaN and infinity are in no range.
    if not is_number(value) or not least <= value <= highest:
        limits = f'at least {least:g}'
        if most is not None:
            limits = f'from {least:g} to {most:g}'
        raise ConfigError(
            f'model.{key} must be a number {limits}, not {value!r}'
        )
    return value


def distinct_targets(targets: Sequence[str]) -> tuple[str, ...]:
    """Names of a method's targets.

    Raises:
        ConfigError: There is none, or a name comes twice.
    """
    if isinstance(targets, str) or not targets:
        raise ConfigError(
            f'model.targets={targets!r} must be a list of names, those of '
            'train_dataloader.dataset.targets'
        )
    if len(set(targets)) < len(targets):
        raise ConfigError(f'model.targets names a target twice: {targets}')
    return tuple(targets)


def check_heads(
    segmentor: BaseModel, name: str, weights: dict[str, float]
) -> None:
    """Refuse weights of heads that the segmentor does not have.

    Args:
        segmentor: A ``UDAEncoderDecoder``.
        name: Config key of the weights.
        weights: Weights by head.

    Raises:
        ConfigError: A head is unknown.
    """
    heads = list(segmentor.heads())
    for head in weights:
        if head not in heads:
            raise ConfigError(
                f"model.{name}: the segmentor has no head '{head}' "
                f'(it has {heads})'
            )


def check_discriminator(
    discriminator: BaseModule, heads: Iterable[str], num_classes: int
) -> None:
    """Refuse a discriminator that does not fit the maps it judges.

    Args:
        discriminator: A ``MultiLevelDiscriminator``.
        heads: Heads with an adversarial loss.
        num_classes: Channels of the maps.

    Raises:
        ConfigError: A level is missing or would never be trained, or the
            number of input channels is another.
    """
    if discriminator.in_channels != num_classes:
        raise ConfigError(
            f'model.discriminator.in_channels is {discriminator.in_channels} '
            f'but the segmentor has {num_classes} classes; set both alike'
        )
    levels, heads = list(discriminator.levels), list(heads)
    if sorted(levels) != sorted(heads):
        raise ConfigError(
            f'model.discriminator.levels is {levels} but '
            f'model.adversarial_weights names {heads}; they must be the same'
        )


def check_target_heads(segmentor: BaseModel, targets: Sequence[str]) -> None:
    """Refuse a segmentor with heads of other targets.

    Args:
        segmentor: Of a method; ought to be a ``MultiHeadEncoderDecoder``.
        targets: Names of the method's targets.

    Raises:
        ConfigError: It has no target heads, or those of other targets.
    """
    found = list(getattr(segmentor, 'target_heads', {}))
    # In one order, since that of the ensemble head's input is the targets'.
    if found != list(targets):
        raise ConfigError(
            f'model.targets is {list(targets)}, but model.segmentor.targets '
            f'{found}; take a MultiHeadEncoderDecoder with the same targets '
            'in the same order'
        )


def check_levels(
    segmentor: BaseModel, target: str, name: str, levels: Iterable[str]
) -> None:
    """Refuse weights of heads that targets do not have.

    Args:
        segmentor: A ``MultiHeadEncoderDecoder``.
        target: Any target.
        name: Config key of the weights.
        levels: ``decode`` or ``aux``.

    Raises:
        ConfigError: A level is unknown.
    """
    known = segmentor.target_heads[target]
    for level in levels:
        if level not in known:
            raise ConfigError(
                f"model.{name}: the targets have no head '{level}' (they "
                f'have {list(known)})'
            )


def check_pseudo_label_weight(
    weight: float, key: str = 'pseudo_label_weight'
) -> float:
    """Refuse a weight by which a method would not learn the target.

    Args:
        weight: Factor of losses on pseudo-labels.
        key: Its key in the config, below ``model``.

    Raises:
        ConfigError: It is no positive number.
    """
    if not is_number(weight) or not 0 < weight < math.inf:
        raise ConfigError(
            f'model.{key} must be a positive number, not {weight!r}; '
            'SourceOnly trains without'
        )
    return weight


def check_top_fraction(value: float, key: str = 'top_fraction') -> float:
    """Refuse a part of the pixels that is none, or more than all.

    Args:
        value: The part.
        key: Its key in the config, below ``model``.

    Raises:
        ConfigError: It is not in (0, 1].
    """
    if not 0 < value <= 1:
        raise ConfigError(f'model.{key} must lie in (0, 1], not {value}')
    return value
