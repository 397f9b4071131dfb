# Copyright (c) mmuda authors.
"""Label ids by the names of their classes: ``label_map={7: 'road'}``."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmuda.datasets.labels.label_content import LabelContent
from mmuda.datasets.labels.label_maps import LAST_ID, OTHERS, LabelTable
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID
from mmuda.utils.text import join_some, shorten

# Id of a label file -> name of its class; None if it is ignored on purpose.
LabelMap = Mapping[int | str, str | None]

_FORM = "write {id: 'class'}, such as {7: 'road', 26: 'car', 0: None}"
_SHOWN = 12


def table_of_names(
    label_map: LabelMap, classes: Sequence[str]
) -> dict[int | str, int]:
    """Turn ids by name into a table of train ids.

    Args:
        label_map: ``{id: class}``; None for an id that is ignored, as are all
            that are left out. Keys may be text, as options of a command line
            are. -1 is 255.
        classes: Names of the train ids, in order.

    Returns:
        As of ``lookup_table``.

    Raises:
        ConfigError: It is of another form, an id is no whole number of 16
            bits or has two classes, a name is no class, or all is ignored.
    """
    _require_form(label_map)
    table: dict[int | str, int] = {}
    for key, name in label_map.items():
        number = _id_of(key, name, classes)
        train_id = _train_id(key, name, classes)
        if table.setdefault(number, train_id) != train_id:
            raise ConfigError(
                f'label_map has two classes for the id {number}: its key '
                f'{key!r} says {name!r}, another one of the same id '
                f'{_name_of(table[number], classes)!r}; leave one of them out'
            )
    if not {*table.values()} - {IGNORE_ID}:
        raise ConfigError('label_map names no class, so nothing is learned')
    return table | {OTHERS: IGNORE_ID}


def _require_form(label_map: Any) -> None:
    if not isinstance(label_map, Mapping) or not label_map:
        raise ConfigError(f'label_map={shorten(repr(label_map))}: {_FORM}')


def _name_of(train_id: int, classes: Sequence[str]) -> str | None:
    return None if train_id == IGNORE_ID else classes[train_id]


def _id_of(key: Any, name: Any, classes: Sequence[str]) -> int:
    if key in classes:
        raise ConfigError(
            f'label_map={{{key!r}: {shorten(repr(name))}}} has a class before '
            f'its id; {_FORM}'
        )
    if key == OTHERS:
        raise ConfigError(
            f'label_map has {OTHERS!r}, which label_table alone knows; leave '
            'it out, as all ids that label_map does not name are ignored'
        )
    if isinstance(key, bool) or not re.fullmatch(r'-?\d{1,9}', str(key)):
        raise ConfigError(
            f'label_map has the id {shorten(repr(key))}, which is no whole '
            f'number; {_FORM}'
        )
    number = int(key)
    if not -1 <= number <= LAST_ID:
        raise ConfigError(
            f'label_map has the id {number}; ids of label files are '
            f'0..{LAST_ID}, or -1 for 255'
        )
    return IGNORE_ID if number == -1 else number


def _train_id(key: int | str, name: Any, classes: Sequence[str]) -> int:
    if name is None:
        return IGNORE_ID
    if not isinstance(name, str):
        raise ConfigError(
            f'label_map={{{key!r}: {shorten(repr(name))}}} has no name of a '
            f'class; {_FORM}. Train ids are written in label_table'
        )
    if name not in classes:
        raise ConfigError(
            f'label_map={{{key!r}: {name!r}}}: there is no class {name!r}'
            f'{did_you_mean(name, classes)}; the classes are '
            f'{", ".join(classes)}. None ignores an id'
        )
    return list(classes).index(name)


def own_table(
    label_table: LabelTable, default: LabelTable, options: Mapping[str, Any]
) -> LabelTable:
    """The table of a data set whose class has one by default.

    Args:
        label_table: As given, or the default.
        default: Of the class.
        options: Further ones of the data set; ``label_map`` takes the place
            of the default.
    """
    named = options.get('label_map') is not None
    return None if named and label_table == default else label_table


def one_form(
    label_map: LabelMap | None, table: LabelTable, classes: Sequence[str]
) -> LabelTable:
    """The table of a data set, which may be given by names.

    Raises:
        ConfigError: It is given in both forms; see :func:`table_of_names`.
    """
    if label_map is None:
        return table
    _require_form(label_map)
    if table is not None:
        raise ConfigError(
            f'label_map={shorten(repr(dict(label_map)))} and label_table='
            f'{shorten(repr(table))} both say what the ids of label files '
            'are; set label_table=None, or leave label_map out'
        )
    return table_of_names(label_map, classes)


def describe_coverage(content: LabelContent, classes: Sequence[str]) -> str:
    """Tell which part of the pixels each class has, the largest first.

    Args:
        content: Of the labels that were read.
        classes: Names of the train ids.
    """
    found = content.classes
    ordered = sorted(found, key=lambda i: -found[i])
    parts = [f'{classes[i]} {found[i] / content.pixels:.2%}' for i in ordered]
    ignored = 1 - sum(found.values()) / content.pixels
    return f'by label_map {", ".join([*parts, f"ignored {ignored:.2%}"])}'


def unnamed_warnings(
    content: LabelContent, named: frozenset[int]
) -> list[str]:
    """Name ids of label files that a ``label_map`` leaves out.

    Args:
        content: Of the labels that were read.
        named: Ids that it has.

    Returns:
        At most one sentence, with the part of the pixels of each.
    """
    unnamed = [
        (i, pixels)
        for i, pixels in content.ids.most_common()
        if i not in named and i != IGNORE_ID
    ]
    if not unnamed:
        return []
    shares = [f'{i} ({n / content.pixels:.2%})' for i, n in unnamed]
    total = sum(n for _, n in unnamed) / content.pixels
    return [
        f'label_map does not name {len(shares)} id(s) of the labels, '
        f'{total:.2%} of the pixels, which are ignored: '
        f'{join_some(shares, _SHOWN)}; name their classes, or None to ignore '
        'them on purpose'
    ]
