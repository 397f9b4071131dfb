# Copyright (c) mmuda authors.
"""Classes that only some of the data sets of a training have.

The rule: what no label of the training can be, the network does not learn,
and its IoU of 0 counts wherever it is evaluated. What the labels of an
evaluated set can't be has an IoU of NaN there by ``DomainIoUMetric``, and no
part in its means. What labels could be, but are not, is up to mmseg: an IoU
of 0 if a pixel is predicted so, else NaN; so is all by its own ``IoUMetric``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmuda.utils.text import join_some

# Key of meta information of a labelled data set: names of classes that its
# label files can't hold.
UNLABELLED = 'unlabelled_classes'
_SHOWN = 12


class LabelsSeen(NamedTuple):
    """What is known of the labels of a data set.

    Attributes:
        name: Of the data set.
        classes: Names of all classes, in order.
        unlabelled: Those for which no id of its files stands.
        found: Those that occur in the labels that were read.
        read: How many these are.
    """

    name: str
    classes: tuple[str, ...]
    unlabelled: tuple[str, ...]
    found: tuple[str, ...]
    read: int


def unlabelled_classes(
    lut: np.ndarray, classes: Sequence[str]
) -> tuple[str, ...]:
    """Names of the classes that no id of a table stands for.

    Args:
        lut: As of ``lookup_table``.
        classes: Names of the train ids, in order.
    """
    held = {*np.unique(lut).tolist()}
    return tuple(name for i, name in enumerate(classes) if i not in held)


def class_gap_warnings(learned: Sequence[LabelsSeen]) -> Iterator[str]:
    """Name the classes that no learned label can be, and what follows.

    Args:
        learned: Data sets whose labels are learned: of the source, and a
            labelled target.

    Yields:
        At most one sentence for the log.
    """
    if learned:
        never = _in_all([part.unlabelled for part in learned])
        if never:
            yield (
                f'no id of the labels of {_names(learned)} stands for '
                f'{join_some(never, _SHOWN)}: the network does not learn '
                'them. Their IoU of 0 counts in the mIoU of labels that have '
                'them; a mean without them is a subset of DomainIoUMetric, or '
                'take a label_set without them'
            )


def left_out_of_means(
    name: str, meta: Mapping[str, Any], is_left_out: bool
) -> Iterator[str]:
    """Say what becomes of classes that evaluated labels can't be.

    Args:
        name: Of the data set.
        meta: Its meta information.
        is_left_out: Whether the metric has no part for them in its means.

    Yields:
        A sentence, if there are such classes.
    """
    unlabelled = meta.get(UNLABELLED)
    if not unlabelled:
        return
    rest = len(meta['classes']) - len(unlabelled)
    yield (
        f'no id of the labels of {name} stands for '
        f'{join_some(unlabelled, _SHOWN)}: '
    ) + (
        f'their IoU there is nan, and mIoU the mean of the other {rest} '
        'classes'
        if is_left_out
        else 'each has an IoU of 0 there if a pixel is predicted so, which '
        'lowers mIoU; DomainIoUMetric leaves them out'
    )


def class_gap_notes(
    learned: Sequence[LabelsSeen], evaluated: Sequence[LabelsSeen]
) -> Iterator[str]:
    """Name the classes that were found on one side only.

    Args:
        learned: As of :func:`class_gap_warnings`.
        evaluated: Data sets for validation or test, with labels.

    Yields:
        Sentences; all is of the labels that were read, which may be few.
    """
    if not learned:
        return
    known = {name for part in learned for name in part.found}
    read = sum(part.read for part in learned)
    for part in evaluated:
        new = [name for name in part.found if name not in known]
        if new:
            yield (
                f'classes in {part.read} labels of {part.name} that were '
                f'read, and in none of {read} of {_names(learned)}: '
                f'{join_some(new, _SHOWN)}'
            )
        gone = [
            name
            for name in part.classes
            if name in known and name not in (*part.found, *part.unlabelled)
        ]
        if gone:
            yield (
                f'classes in {read} labels of {_names(learned)} that were '
                f'read, and in none of {part.read} of {part.name}: '
                f'{join_some(gone, _SHOWN)}'
            )


def _in_all(groups: Sequence[Sequence[str]]) -> list[str]:
    first, *others = groups
    return [name for name in first if all(name in part for part in others)]


def _names(parts: Sequence[LabelsSeen]) -> str:
    return ' and '.join(part.name for part in parts)


def renamed(
    seen: Mapping[str, Sequence[LabelsSeen]],
) -> list[LabelsSeen]:
    """Call data sets by other names.

    Args:
        seen: By the new name, which those of several parts get with a number.
    """
    return [
        part._replace(name=name if len(parts) == 1 else f'{name}[{number}]')
        for name, parts in seen.items()
        for number, part in enumerate(parts)
    ]
