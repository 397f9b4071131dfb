# Copyright (c) mmuda authors.
"""Groups of images that metrics report beside the whole set."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from mmuda.utils.checks import is_whole
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.json_files import read_json
from mmuda.utils.text import shorten

# How a config says which group an image is of: a regular expression, the
# level of a folder, groups by key or pattern, or a JSON file with them.
GroupBy = str | int | Mapping[str, str]
# Of images of which the parenthesis of a pattern finds nothing.
_OTHER = 'other'
# How tables call all images together.
ALL = 'all'
_FILE = '.json'
_WILD = re.compile(r'[*?\[]')


class ImageGroups:
    """Names the group of an image by its key.

    Args:
        rule: A regular expression, whose first parenthesis (or the whole,
            without one) is the name where it is found in the key; the level
            of the key's folder that is the name, 0 for the first and -1 for
            the last; names by key or by pattern with ``*`` and ``?``, of
            which an exact key counts first, then the first that fits; or the
            path of a JSON file with such names, ``{"fog/*": "fog"}``.

    Raises:
        ConfigError: It is nothing of that.
        DataError: The file can't be read.
    """

    def __init__(self, rule: GroupBy) -> None:
        self.rule = rule
        self.names = _names_of(rule)
        self._find = _finder(rule, self.names)

    def of(self, sample: Mapping) -> str:
        """Name the group that an image is of.

        Args:
            sample: Of the image, with its ``key``.

        Raises:
            ConfigError: It has no key, or the group is called as the whole.
            DataError: The rule says nothing of it.
        """
        key = sample.get('key')
        if key is None:
            raise ConfigError(
                'evaluator.group_by groups images by their keys, which these '
                'samples do not have; pack them with dict(type='
                "'PackDomainInputs')"
            )
        name, remedy = self._find(key)
        if name is None:
            raise DataError(
                f'evaluator.group_by={_words(self.rule)} finds nothing in '
                f'the key {key!r} of {sample.get("img_path")!r}; {remedy}'
            )
        if name == ALL:
            raise ConfigError(
                f'evaluator.group_by={_words(self.rule)} names the group of '
                f'the key {key!r} {ALL!r}, as all images together are '
                'called; choose another name'
            )
        return name

    def unused(self, keys: Iterable[str]) -> list[str]:
        """Entries of a mapping or file that no image is looked up by.

        Args:
            keys: Of all images.
        """
        left = dict(self.names or {})
        for key in keys:
            left.pop(_entry_of(key, self.names or {}) or '', None)
        return [*left]


def examine_groups(groups: ImageGroups, dataset: Any) -> list[str]:
    """Find the group of each image of a data set before it is evaluated.

    Args:
        groups: As a metric has them.
        dataset: Any data set; what has no keys without its pipeline is left
            to the evaluation.

    Returns:
        A warning, if entries of a mapping or file fit no image.

    Raises:
        ConfigError: A group is called as the whole.
        DataError: The rule says nothing of an image.
    """
    if not hasattr(dataset, 'get_data_info'):
        return []
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    known = [info for info in infos if info.get('key') is not None]
    for info in known:
        groups.of(info)
    unused = groups.unused(info['key'] for info in known) if known else []
    if not unused:
        return []
    shown = shorten(', '.join(map(repr, unused)))
    return [
        f'evaluator.group_by={_words(groups.rule)}: {len(unused)} of its '
        f'entries fit no image, as {shown}'
    ]


_Found = tuple[str | None, str]


def _names_of(rule: Any) -> dict[str, str] | None:
    """Groups by key or pattern; None of a rule of another kind."""
    if isinstance(rule, str) and rule.endswith(_FILE):
        remedy = 'evaluator.group_by needs {"<key or pattern>": "<group>"}'
        rule = read_json(rule, remedy, dict[str, str])
    elif isinstance(rule, str) and os.path.isfile(rule):
        raise ConfigError(
            f"evaluator.group_by={rule!r} is a file, of which '{_FILE}' alone "
            'is read, with {"<key or pattern>": "<group>"}'
        )
    if isinstance(rule, Mapping):
        names = dict(rule)
        if not names or not all(
            part and isinstance(part, str)
            for pair in names.items()
            for part in pair
        ):
            raise ConfigError(
                f'evaluator.group_by={_words(rule)}: must name at least one '
                "group, {'<key or pattern>': '<group>'}"
            )
        return names
    return None


def _finder(
    rule: Any, names: Mapping[str, str] | None
) -> Callable[[str], _Found]:
    if is_whole(rule):
        return lambda key: _folder_of(key, rule)
    if names is not None:
        return lambda key: _listed(key, names)
    try:
        pattern = re.compile(rule)
    except (re.error, TypeError) as error:
        raise ConfigError(
            f'evaluator.group_by={rule!r} is no regular expression: {error}'
        ) from error
    return lambda key: _searched(key, pattern)


def _searched(key: str, pattern: re.Pattern) -> _Found:
    found = pattern.search(key)
    if found is None:
        return None, (
            'correct it, or put what may be missing in parentheses and a '
            'question mark behind them'
        )
    return found[1 if pattern.groups else 0] or _OTHER, ''


def _folder_of(key: str, level: int) -> _Found:
    folders = key.split('/')[:-1]
    if not -len(folders) <= level < len(folders):
        return None, f'it lies in {len(folders)} folder(s), counted from 0'
    return folders[level], ''


def _listed(key: str, names: Mapping[str, str]) -> _Found:
    entry = _entry_of(key, names)
    if entry is not None:
        return names[entry], ''
    return None, f"add it, or '*': {_OTHER!r} at the end"


def _entry_of(key: str, names: Mapping[str, str]) -> str | None:
    if key in names:
        return key
    fitting = (p for p in names if _WILD.search(p) and fnmatchcase(key, p))
    return next(fitting, None)


def _words(rule: GroupBy) -> str:
    return shorten(repr(dict(rule) if isinstance(rule, Mapping) else rule))
