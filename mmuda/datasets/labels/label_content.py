# Copyright (c) mmuda authors.
"""What labels hold: their ids, their classes, and how their edges look."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from mmseg.utils import get_palette

from mmuda.datasets.images.image_header import PNG_SIGNATURE, open_image
from mmuda.datasets.images.image_io import decode_ids, read_bytes
from mmuda.datasets.labels.label_maps import UNKNOWN_ID
from mmuda.utils.names import IGNORE_ID

# Rows and columns of the part whose edges are looked at.
_WINDOW = (512, 1024)
# With fewer pixels at edges a label says nothing about them.
_FEWEST_EDGES = 300
# A pixel and its four neighbours.
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# OpenCV's histograms are float32, which is exact up to here.
_EXACT_PIXELS = 2**24
_COMMON = get_palette('voc')

Palette = Sequence[Sequence[int]]


class Edges(NamedTuple):
    """How the edges of a label look, as shares of all pixels at edges.

    In label maps, also in those reduced by nearest neighbour, both are small;
    after bilinear resizing many edges go through an id between, and after
    JPEG many of the pixels at edges stand alone.

    Attributes:
        between: Pixels whose id lies between those of both neighbours.
        alone: Pixels that differ from all four neighbours.
    """

    between: float
    alone: float


class LabelFacts(NamedTuple):
    """What a label holds.

    Attributes:
        path: The file.
        ids: Pixels of each id that occurs.
        edges: None if it has too few of them.
        recoloured: A palette that gives classes the colours of others, in
            words; None if it has none or a sound one.
    """

    path: str
    ids: dict[int, int]
    edges: Edges | None
    recoloured: str | None


@dataclass
class LabelContent:
    """What some labels of a data set hold together.

    Attributes:
        lut: Table of the data set, see ``lookup_table``.
        paths: Their files.
        ids: Pixels of each id.
        empty: Files of those without a pixel of any class.
        edges: How edges look, by file, of those with enough.
        recoloured: Palettes with the colours of other classes, by file.
    """

    lut: np.ndarray
    paths: list[str] = field(default_factory=list)
    ids: Counter = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)
    edges: dict[str, Edges] = field(default_factory=dict)
    recoloured: dict[str, str] = field(default_factory=dict)

    def add(self, facts: LabelFacts) -> None:
        """Take in a label."""
        self.paths.append(facts.path)
        self.ids.update(facts.ids)
        if not class_pixels(facts.ids, self.lut):
            self.empty.append(facts.path)
        if facts.edges is not None:
            self.edges[facts.path] = facts.edges
        if facts.recoloured is not None:
            self.recoloured[facts.path] = facts.recoloured

    @property
    def pixels(self) -> int:
        """All pixels, ignored ones too."""
        return sum(self.ids.values())

    @property
    def classes(self) -> dict[int, int]:
        """Pixels of each train id that occurs, without ignored ones."""
        return class_pixels(self.ids, self.lut)


def class_pixels(ids: Mapping[int, int], lut: np.ndarray) -> dict[int, int]:
    """Map counts of ids to counts of train ids, without ignored ones."""
    counts: Counter = Counter()
    for i, pixels in ids.items():
        train_id = int(lut[i]) if 0 <= i < len(lut) else UNKNOWN_ID
        if train_id not in (IGNORE_ID, UNKNOWN_ID):
            counts[train_id] += pixels
    return dict(counts)


def read_with_facts(
    sample: Mapping, palette: Palette | None
) -> tuple[np.ndarray, LabelFacts]:
    """Read the label of a sample and find out what it holds.

    Args:
        sample: As of ``read_label_ids``, with ``label_lut``.
        palette: RGB colours of the classes; None if they have none.

    Returns:
        (H, W) label ids as ``read_label_ids`` gives them, and the facts.

    Raises:
        DataError: If the file is missing or damaged.
    """
    path = sample['seg_map_path']
    reader = sample.get('label_reader')
    recoloured = None
    if reader is not None:
        ids = reader(path)
        counts = count_ids(ids)
    else:
        data = read_bytes(path)
        ids = decode_ids(data, path, sample.get('label_channel'))
        counts = count_ids(ids)
        if palette and data.startswith(PNG_SIGNATURE) and data[25] == 3:
            colours = open_image(data, path).getpalette('RGB') or []
            recoloured = foreign_colours(
                np.reshape(colours, (-1, 3)),
                list(counts),
                sample['label_lut'],
                palette,
            )
    ignored = IGNORE_ID if sample['label_lut'][255] == IGNORE_ID else None
    return ids, LabelFacts(path, counts, edges_of(ids, ignored), recoloured)


def count_ids(ids: np.ndarray) -> dict[int, int]:
    """Count the pixels of each id of a label (H, W)."""
    if ids.dtype != np.uint8 or ids.size > _EXACT_PIXELS:
        values, counts = np.unique(ids, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))
    # Ten times as fast.
    histogram = cv2.calcHist(
        [np.ascontiguousarray(ids)], [0], None, [256], [0, 256]
    )
    counts = histogram.ravel().astype(np.int64)
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def edges_of(ids: np.ndarray, ignored: int | None = None) -> Edges | None:
    """Measure how the edges in the middle of a label (H, W) look.

    Args:
        ids: The label.
        ignored: Id of pixels at which nothing is between or alone.
    """
    middle = ids
    for axis, most in enumerate(_WINDOW):
        start = max((ids.shape[axis] - most) // 2, 0)
        middle = middle.take(range(start, ids.shape[axis]), axis)
        middle = middle.take(range(min(most, middle.shape[axis])), axis)
    centre = middle[1:-1, 1:-1]
    left, right = middle[1:-1, :-2], middle[1:-1, 2:]
    above, below = middle[:-2, 1:-1], middle[2:, 1:-1]
    edges = np.count_nonzero((centre != right) | (centre != below))
    if edges < _FEWEST_EDGES:
        return None
    alone = (centre != left) & (centre != right)
    alone &= (centre != above) & (centre != below)
    between = _between(left, centre, right) | _between(above, centre, below)
    if ignored is not None:
        # Single points and what a threshold left of predictions are sound.
        beside = cv2.dilate((middle == ignored).astype(np.uint8), _CROSS)
        alone &= beside[1:-1, 1:-1] == 0
        between &= beside[1:-1, 1:-1] == 0
    return Edges(
        np.count_nonzero(between) / edges, np.count_nonzero(alone) / edges
    )


def _between(
    first: np.ndarray, middle: np.ndarray, last: np.ndarray
) -> np.ndarray:
    rising = (first < middle) & (middle < last)
    return rising | ((first > middle) & (middle > last))


def foreign_colours(
    colours: np.ndarray,
    ids: Sequence[int],
    lut: np.ndarray,
    palette: Palette,
) -> str | None:
    """Tell if the colours of a label's palette are those of other classes.

    A program that saves colours with a palette numbers them anew, by how
    often they occur. The classes' own colours then stand at other ids. Those
    of Pascal VOC say nothing: programs save any ids with them.

    Args:
        colours: (N, 3) RGB, colours of the ids.
        ids: Those that occur.
        lut: Table of the data set.
        palette: RGB colours of the classes.

    Returns:
        The first contradiction in words; None if there is not more of them
        than of agreements.
    """
    if colours[: len(_COMMON)].tolist() == _COMMON[: len(colours)]:
        return None
    times = Counter(tuple(colour) for colour in palette)
    class_of = {
        tuple(colour): k
        for k, colour in enumerate(palette)
        if times[tuple(colour)] == 1
    }
    pairs = [
        (i, int(lut[i]), class_of[tuple(colours[i].tolist())])
        for i in ids
        if i < len(colours) and tuple(colours[i].tolist()) in class_of
    ]
    wrong = [
        (i, colour)
        for i, train_id, colour in pairs
        if train_id not in (colour, IGNORE_ID, UNKNOWN_ID)
    ]
    right = sum(train_id == colour for _, train_id, colour in pairs)
    if len(wrong) < 2 or len(wrong) <= right:
        return None
    i, colour = wrong[0]
    return f'id {i} has the colour of class {colour}, and is read as {lut[i]}'
