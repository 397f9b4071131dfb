# Copyright (c) mmuda authors.
"""Split lists: text files with the key of one image a line."""

import os
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from mmengine.logging import MMLogger

from mmuda.datasets.sets.listing import IMAGE_EXTENSIONS, stem_of
from mmuda.datasets.sets.path_lines import (
    at_lines,
    plural,
    read_lines,
    require_distinct,
    several_hint,
)
from mmuda.utils.errors import DataError
from mmuda.utils.text import join_some

_WILDCARDS = frozenset('*?[')


class SplitLine(NamedTuple):
    """A line of a split list.

    Attributes:
        number: Number of the line, from 1.
        text: What the line says.
        key: The key that it names.
    """

    number: int
    text: str
    key: str


def read_split(path: str, img_suffix: str | Sequence[str]) -> list[SplitLine]:
    """Read a split list: one key a line, with or without a file suffix.

    Published lists name source images by ``00001.png`` or target images by
    ``aachen/x_leftImg8bit.png``; both give the key without ``img_suffix``,
    also if the configured images are of another format. Blank lines are left
    out; those that begin with ``#`` are comments, unless there is such a key
    (see :func:`split_keys`).

    Args:
        path: The text file, see ``read_lines``.
        img_suffix: How names of images end, one or several.

    Raises:
        DataError: If the file is missing or no text.
    """
    if not os.path.isfile(path):
        raise DataError(
            f'split list {path!r} does not exist; correct ann_file in the '
            "dataset config, or set it to '' to use every image"
        )
    suffixes = [img_suffix] if isinstance(img_suffix, str) else img_suffix
    stems = [stem_of(suffix) for suffix in suffixes]
    return [
        SplitLine(number, text, _key_of(text, stems))
        for number, text in read_lines(path)
    ]


def _key_of(text: str, stems: Sequence[str]) -> str:
    name = text.replace('\\', '/').removeprefix('./')
    base, extension = os.path.splitext(name)
    if extension.lower() in IMAGE_EXTENSIONS:
        name = base
    stem = next((s for s in stems if s and name.endswith(s)), '')
    return name.removesuffix(stem)


def split_keys(
    path: str,
    img_suffix: str | Sequence[str],
    known: Collection[str],
    folders: Sequence[str] = (),
    where: str = 'the data set',
) -> list[str]:
    """Return the keys that a split list names, in its order.

    Args:
        path: The text file, see :func:`read_split`.
        img_suffix: How names of images end, one or several.
        known: The keys that there are.
        folders: What lines may have before the key: the image folder,
            absolute or relative to the root of the data.
        where: Where the images should be, for the message.

    Raises:
        DataError: If the list is empty, a line names no image, or an image is
            listed twice.
    """
    prefixes = [f'{folder.strip("/")}/' for folder in folders if folder]
    found, missing = [], []
    for line in read_split(path, img_suffix):
        key = next((k for k in _readings(line, prefixes) if k in known), None)
        if key is not None:
            found.append((key, line.number))
        elif not line.text.startswith('#'):
            missing.append(line)
    if missing:
        first = missing[0]
        example = f', such as {min(known)!r}' if known else ''
        raise DataError(
            f'{path}: {plural(len(missing), "image")} of '
            f'{len(missing) + len(found)} missing '
            f'({at_lines([line.number for line in missing])}), the first is '
            f'{first.text!r}; {several_hint(first.text)}lines are keys of '
            f'images in {where}{example}: complete the download, or correct '
            'img_suffix, data_prefix or the list'
        )
    if not found:
        raise DataError(
            f'split list {path!r} is empty; list one image a line, or set '
            "ann_file to '' to use every image"
        )
    require_distinct(path, found, 'image')
    return [key for key, _ in found]


def chosen_keys(
    keys: Collection[str],
    known: Collection[str],
    include: Sequence[str],
    exclude: Sequence[str],
) -> list[str]:
    """Sort the keys that ``include`` and ``exclude`` let through.

    What fits no key of the data set is told in a warning, as more or fewer
    images are used than was meant.

    Args:
        keys: Those to choose from, all or those of a split list.
        known: All keys that there are.
        include: Patterns with ``*`` and ``?``, one of which must fit.
        exclude: Patterns or keys, none of which may fit.
    """
    names, every = frozenset(keys), frozenset(known)
    left_out = {key for p in exclude for key in _fitting(names, p)}
    chosen = {key for p in include for key in _fitting(names, p)} - left_out
    for option, patterns in (('include', include), ('exclude', exclude)):
        useless = [p for p in patterns if not any(_fitting(every, p))]
        # Without any image an error tells more.
        if useless and chosen:
            MMLogger.get_current_instance().warning(
                f'{option}: no image has a key like '
                f'{join_some([*map(repr, useless)], 8)}; keys look like '
                f'{min(known)!r}'
            )
    return sorted(chosen)


def _fitting(keys: frozenset[str], pattern: str) -> Iterator[str]:
    """Yield the key that a pattern is, or the keys that fit it."""
    if pattern in keys:
        yield pattern
    # A list of keys, which may be long, is not compared with each key.
    elif _WILDCARDS.intersection(pattern):
        yield from (key for key in keys if fnmatchcase(key, pattern))


def _readings(line: SplitLine, prefixes: Sequence[str]) -> list[str]:
    """What a line may mean, the likeliest first."""
    bare = line.key.lstrip('/')
    return [
        line.key,
        line.text,
        *(bare.removeprefix(p) for p in prefixes if bare.startswith(p)),
    ]
