# Copyright (c) mmuda authors.
"""Options of mmseg's heads that heads with fixed layers have no use for."""

from collections.abc import Mapping
from typing import Any

from mmuda.utils.errors import ConfigError
from mmuda.utils.text import shorten

CONVOLUTIONS = 'its convolutions are plain ones'


def refuse_options(
    head: str, options: Mapping[str, Any], fixed: Mapping[str, str]
) -> None:
    """Refuse options that would be taken and have no effect.

    Args:
        head: Name of the head's class.
        options: Further arguments of the head; None stands for its own way.
        fixed: Why an option has no effect, by its name.

    Raises:
        ConfigError: One of them is given.
    """
    for key, reason in fixed.items():
        if options.get(key) is not None:
            raise ConfigError(
                f'{head}: {key}={shorten(repr(options[key]))} would have no '
                f'effect: {reason}; remove {key}, or take another head'
            )


def refuse_lists(head: str, options: Mapping[str, Any]) -> None:
    """Refuse several maps side by side in a head that reads a single one.

    Args:
        head: Name of the head's class.
        options: Further arguments of the head.

    Raises:
        ConfigError: ``input_transform`` asks for a list of maps.
    """
    if options.get('input_transform') == 'multiple_select':
        raise ConfigError(
            f"{head}: input_transform='multiple_select' gives a list of maps, "
            "and the head reads one; take 'resize_concat', or remove it"
        )
