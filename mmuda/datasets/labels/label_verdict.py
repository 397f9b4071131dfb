# Copyright (c) mmuda authors.
"""Judging what the labels of a data set hold."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from statistics import median
from typing import NamedTuple

import numpy as np

from mmuda.datasets.labels.label_content import Edges, LabelContent
from mmuda.datasets.labels.label_maps import ID_NAMES, VALID_IDS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID

# Of a set, and of a label among others. Those of sound sets and labels are
# below 0.06 and 0.15, of JPEG and interpolated ones above 0.13 and 0.23.
# A set of few labels is not as sure: single sound ones reach 0.168 and 0.14.
_FEW_LABELS = 4
_ROUGH_SET = Edges(between=0.14, alone=0.11)
_ROUGH_FEW = Edges(between=0.17, alone=0.15)
_ROUGH_LABEL = Edges(between=0.22, alone=0.25)
_NEARLY_ALL = 0.995
_MOST_NAMES = 8


class Verdict(NamedTuple):
    """What is wrong with labels, and what is odd.

    Attributes:
        doubts: What would make training worthless.
        warnings: What may be meant so.
        may_change: Whether more labels may refute the doubts.
    """

    doubts: list[str]
    warnings: list[str]
    may_change: bool = False


def judge_labels(
    content: LabelContent,
    classes: Sequence[str],
    id_list: str | None,
    is_whole: bool,
    is_named: bool = False,
) -> Verdict:
    """Judge what labels hold together.

    Args:
        content: What some or all labels of a data set hold.
        classes: Names of the classes.
        id_list: The data set's ``label_table`` if it is one of ours.
        is_whole: Whether it is all of the data set's labels.
        is_named: Whether the data set has a ``label_map``.
    """
    if not content.paths:
        return Verdict([], [])
    doubts = [
        *_numbering_doubts(content, id_list),
        *_edge_doubts(content),
        *_colour_doubts(content, classes),
    ]
    rare = [] if doubts else _missing_class_doubts(content, classes, is_named)
    if doubts or rare:
        return Verdict(doubts + rare, [], bool(rare))
    warnings = [
        *_empty_warnings(content),
        *_outlier_warnings(content, classes),
        *_class_warnings(content, classes, is_whole),
    ]
    return Verdict([], warnings)


def _numbering_doubts(content: LabelContent, id_list: str | None) -> list[str]:
    is_few = len(content.paths) < _FEW_LABELS
    other = other_numbering(id_list, content.ids, is_few)
    if id_list is None or other is None:
        return []
    names, others = ID_NAMES[id_list], ID_NAMES[other]
    common = [
        i
        for i, _ in content.ids.most_common()
        if i != IGNORE_ID and names.get(i) != others.get(i)
    ]
    example = ''
    if common:
        i = common[0]
        example = (
            f' (id {i} is {others.get(i, "no class")} there, and '
            f'{names.get(i, "no class")} here)'
        )
    return [
        f"the ids of the labels fit label_table='{other}', not '{id_list}'"
        f'{example}; the first is {content.paths[0]!r}. Set label_table, or '
        'name the files of its ids (seg_map_suffix, data_prefix)'
    ]


def _edge_doubts(content: LabelContent) -> list[str]:
    if not content.edges:
        return []
    between = median(e.between for e in content.edges.values())
    alone = median(e.alone for e in content.edges.values())
    is_few = len(content.edges) < _FEW_LABELS
    rough = _ROUGH_FEW if is_few else _ROUGH_SET
    if between <= rough.between and alone <= rough.alone:
        return []
    return [
        'ids of the labels lie between those of their neighbours at '
        f'{between:.0%} of the edges, and {alone:.0%} of the pixels there '
        f'stand alone; the first is {next(iter(content.edges))!r}. They were '
        'resized with interpolation, smoothed or saved as JPEG: make them '
        'anew from the originals, by nearest neighbour'
    ]


def _colour_doubts(content: LabelContent, classes: Sequence[str]) -> list[str]:
    found = content.recoloured
    if len(found) * 2 <= len(content.paths):
        return []
    path, words = next(iter(found.items()))
    return [
        f'the palette of {_count(len(found), content)} labels has the colours '
        f'of other classes than the ids: in {path!r} {words} '
        f'({_numbered(classes)}). A program numbered the colours anew when it '
        'saved them; take the original id files'
    ]


def _missing_class_doubts(
    content: LabelContent, classes: Sequence[str], is_named: bool
) -> list[str]:
    """Doubts that labels which were not read may refute."""
    ids = sorted(content.ids)
    table = 'label_map' if is_named else 'label_table'
    if len(classes) == 2 and ids == [0, 255] and content.lut[255] == 255:
        low, high = classes if is_named else (0, 1)
        return [
            f'the labels hold 0 and 255 only, and 255 is ignored, so that '
            f"'{classes[1]}' never occurs; the first is "
            f'{content.paths[0]!r}. If 255 is {classes[1]!r}, set '
            f'{table}={{0: {low!r}, 255: {high!r}}}'
        ]
    if content.classes:
        return []
    return [
        f'no pixel of {_count(len(content.paths), content)} labels is of a '
        f'class: their ids {_shown(ids)} are ignored; the first is '
        f'{content.paths[0]!r}. Correct {table}, label_set or '
        'seg_map_suffix'
    ]


def _empty_warnings(content: LabelContent) -> list[str]:
    if not content.empty:
        return []
    return [
        f'{_count(len(content.empty), content)} labels have ignored pixels '
        f'only, the first is {content.empty[0]!r}'
    ]


def _outlier_warnings(
    content: LabelContent, classes: Sequence[str]
) -> list[str]:
    rough = [
        path
        for path, edges in content.edges.items()
        if edges.between > _ROUGH_LABEL.between
        or edges.alone > _ROUGH_LABEL.alone
    ]
    warnings = []
    if rough:
        warnings.append(
            f'{_count(len(rough), content)} labels have edges as after '
            f'interpolation or JPEG, the first is {rough[0]!r}'
        )
    if content.recoloured:
        path, words = next(iter(content.recoloured.items()))
        warnings.append(
            f'{_count(len(content.recoloured), content)} labels have a '
            f'palette with colours of other classes: in {path!r} {words} '
            f'({_numbered(classes)})'
        )
    return warnings


def _class_warnings(
    content: LabelContent, classes: Sequence[str], is_whole: bool
) -> list[str]:
    found = content.classes
    warnings = []
    absent = [c for i, c in enumerate(classes) if i not in found]
    if absent and is_whole:
        warnings.append(f'no label has the classes {", ".join(absent)}')
    largest = max(found, key=found.__getitem__)
    share = found[largest] / sum(found.values())
    if share > _NEARLY_ALL and len(classes) > 1:
        warnings.append(
            f"{share:.1%} of the labelled pixels are of class '"
            f"{classes[largest]}'"
        )
    return warnings


def _count(number: int, content: LabelContent) -> str:
    return f'{number} of {len(content.paths)}'


def _shown(ids: Sequence[int]) -> str:
    more = ', …' if len(ids) > _MOST_NAMES else ''
    return f'{", ".join(map(str, ids[:_MOST_NAMES]))}{more}'


def _numbered(classes: Sequence[str]) -> str:
    """Write the first classes as ``0 road, 1 sidewalk``."""
    shown = [f'{i} {name}' for i, name in enumerate(classes[:_MOST_NAMES])]
    more = ', …' if len(classes) > _MOST_NAMES else ''
    return f'{", ".join(shown)}{more}'


_TRAIN_IDS = ('train_ids', 'bdd100k', 'urbansyn')
_ID_NAME = re.compile(r'(train|label)[-_]?ids?(?![a-z])', re.IGNORECASE)

# Rough shares of the classes in street scenes, between those of Cityscapes
# and of synthetic sets; only their order of magnitude counts.
_SHARES = {
    'road': 0.33,
    'sidewalk': 0.07,
    'building': 0.19,
    'wall': 0.008,
    'fence': 0.009,
    'pole': 0.012,
    'traffic light': 0.002,
    'traffic sign': 0.005,
    'vegetation': 0.14,
    'terrain': 0.012,
    'sky': 0.10,
    'person': 0.012,
    'rider': 0.002,
    'car': 0.06,
    'truck': 0.005,
    'bus': 0.004,
    'train': 0.002,
    'motorcycle': 0.002,
    'bicycle': 0.005,
}
# Of all ids together that have none of these names.
_OTHERS = 0.05
_CANDIDATES = (
    'train_ids',
    'cityscapes',
    'gta5',
    'synthia',
    'idd',
    'mapillary_vistas',
    'mapillary_vistas_v2',
)
# Nats a pixel by which another numbering must explain the ids better, also
# those of a scene or two, which may be odd; and how well: real data needs 1.5
# to 2.5, ids at random 5.
_MARGIN = 1.0
_MARGIN_OF_FEW = 1.5
_PLAUSIBLE = 3.2
_FEWEST_IDS = 3


def check_file_names(id_list: str | None, names: Iterable[str]) -> None:
    """Refuse files whose names say that they are numbered in another way.

    Args:
        id_list: The data set's ``label_table`` if it is one of ours.
        names: Names of label files, or their suffix. Of paths the last part
            that says something counts.

    Raises:
        ConfigError: A name contradicts the table.
    """
    if id_list is None:
        return
    other, table = 'label', 'cityscapes'
    if id_list not in _TRAIN_IDS:
        other, table = 'train', 'train_ids'
    name = next((n for n in names if _kind_of_ids(n) == other), None)
    if name is not None:
        raise ConfigError(
            f"'{name}' names files of {other} ids, which "
            f'label_table={id_list!r} would read as other classes; set '
            f'label_table={table!r}, or name the files of its ids '
            '(seg_map_suffix)'
        )


def _kind_of_ids(name: str) -> str | None:
    found = _ID_NAME.findall(name)
    return found[-1].lower() if found else None


def other_numbering(
    id_list: str | None, counts: Mapping[int, int], is_few: bool = False
) -> str | None:
    """Tell which numbering labels have instead of that of their table.

    Args:
        id_list: The data set's ``label_table`` if it is one of ours.
        counts: Pixels of each id in some labels.
        is_few: Whether they are of few labels, which takes more to tell.

    Returns:
        A key of ``VALID_IDS``; None if the ids are plausible or there are too
        few different ones to tell.
    """
    ids = [i for i, n in counts.items() if n and i != IGNORE_ID]
    if id_list is None or len(ids) < _FEWEST_IDS:
        return None
    surprises = {name: _surprise(name, ids, counts) for name in VALID_IDS}
    # Conventions of the same ids, such as that of ADAS, are no others.
    same = [n for n, v in VALID_IDS.items() if v == VALID_IDS[id_list]]
    own = min(surprises[name] for name in same)
    best = min(_CANDIDATES, key=surprises.__getitem__)
    margin = _MARGIN_OF_FEW if is_few else _MARGIN
    if best in same or surprises[best] > min(own - margin, _PLAUSIBLE):
        return None
    return best


def _surprise(
    id_list: str, ids: list[int], counts: Mapping[int, int]
) -> float:
    """Nats a pixel that the ids have if they are of a numbering."""
    shares = _id_shares(id_list)
    if any(i not in shares for i in ids):
        return float('inf')
    if counts.get(IGNORE_ID) and IGNORE_ID not in VALID_IDS[id_list]:
        return float('inf')
    pixels = np.array([counts[i] for i in ids], np.float64)
    logs = np.log([shares[i] for i in ids])
    return float(-(pixels * logs).sum() / pixels.sum())


@lru_cache
def _id_shares(id_list: str) -> dict[int, float]:
    """Expected share of each id of a numbering."""
    names = ID_NAMES[id_list]
    ids = [i for i in VALID_IDS[id_list] if i != IGNORE_ID]
    groups: dict[str, list[int]] = {}
    for i in ids:
        groups.setdefault(names.get(i, ''), []).append(i)
    return {
        i: _SHARES.get(name, _OTHERS) / len(members)
        for name, members in groups.items()
        for i in members
    }
