# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Groups of images that metrics report beside the whole set."""

import re
from collections.abc import Mapping

from mmuda.utils.errors import ConfigError, DataError

# Of images of which the parenthesis of a pattern finds nothing.
_OTHER = 'other'


def compiled_groups(pattern: str) -> re.Pattern:
    """Read the regular expression that groups images by their keys.

    Args:
        pattern: As of ``group_by`` of a metric.

    Raises:
        ConfigError: It is none.
    """
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ConfigError(
            f'evaluator.group_by={pattern!r} is no regular expression: {error}'
        ) from error


def group_of(pattern: re.Pattern, sample: Mapping) -> str:
    """Name the group that an image is of.

    Args:
        pattern: What its first parenthesis matches in the image's key is the
            name, or the whole without one.
        sample: Of the image, with its ``key``.

    Raises:
        ConfigError: It has no key.
        DataError: The pattern finds nothing in it.
    """
    key = sample.get('key')
    if key is None:
        raise ConfigError(
            'evaluator.group_by groups images by their keys, which these '
            "samples do not have; pack them with dict(type='PackDomainInputs')"
        )
    found = pattern.search(key)
    if found is None:
        raise DataError(
            f'evaluator.group_by={pattern.pattern!r} finds nothing in the key '
            f'{key!r} of {sample.get("img_path")!r}; correct it, or put what '
            'may be missing in parentheses and a question mark behind them'
        )
    return found[1 if pattern.groups else 0] or _OTHER
