# Copyright (c) mmuda authors.
"""Memory and disk that labelling takes, for few images and for many."""

import inspect
from collections.abc import Sequence
from pathlib import Path

from benchmarks.labelling import ESL_RULE
from benchmarks.measure import Row, Tick
from benchmarks.setting import Size
from benchmarks.tiny_labelling import (
    CLASSES,
    TINY_SIZE,
    resident_growth,
    spool_image_bytes,
)
from mmuda.evaluation.score_histogram import ScoreHistogram
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.utils.jobs import in_threads

MAX_MEGABYTES = 200
FULL_SIZE = (1024, 512)
# Training images of Cityscapes and of Mapillary Vistas.
FULL_COUNTS = (2975, 18_000)
_LABEL_BYTES = 1
_SCORE_BYTES = 2
# A key, its place in lists, and the file's record in the data set.
_LIST_BYTES = 1000
# Batches that wait at each process of a loader, PyTorch's default.
_PREFETCHED = 2
# float64 labels and entropies of all images, and a mask of one class.
_PUBLISHED_PIXEL_BYTES = 8 + 8 + 1
# Road; the float64 entropies of a class are copied to find their median.
_PUBLISHED_LARGEST_CLASS = 1 / 3
_PUBLISHED_PART = 3000


def labelling_memory_rows(
    folder: Path, counts: Sequence[int], tick: Tick | None = None
) -> list[Row]:
    """Memory for sets of tiny images, and by arithmetic for real ones.

    Args:
        folder: For generated images and labels.
        counts: Numbers of tiny images.
        tick: Called with a message at each step.
    """
    tell = tick or (lambda step: None)
    tell(f'{sum(counts):,} tiny images')
    growth = resident_growth(folder / 'tiny', counts)
    least = min(growth.values())
    rows = [
        _memory_row(
            f'peak beyond the model, {_set_of(count, TINY_SIZE)}',
            grown,
            f'{(grown - least) / 1e6:+.3g} MB on the smallest set',
        )
        for count, grown in growth.items()
    ]
    for count in FULL_COUNTS:
        parts = memory_parts(count)
        detail = (f'{name} {b / 1e6:.3g} MB' for name, b in parts.items())
        name = f'by arithmetic, {_set_of(count, FULL_SIZE)}'
        rows.append(_memory_row(name, sum(parts.values()), ', '.join(detail)))
    tell('spool of a street scene')
    return rows + spool_rows(spool_image_bytes(folder / 'scene', FULL_SIZE))


def spool_rows(image_bytes: int) -> list[Row]:
    """Space on the disk, until the labels are finished, for real sets.

    Args:
        image_bytes: Size of the files of one image.
    """
    return [
        Row(
            'labelling_memory',
            f'files of the spool, {_set_of(count, FULL_SIZE)}',
            count * image_bytes / 1e9,
            'GB',
            detail=f'{image_bytes / 1e6:.3g} MB an image; published code: '
            f'{published_bytes(count) / 1e9:.3g} GB of memory',
        )
        for count in FULL_COUNTS
    ]


def memory_parts(
    images: int, size: Size = FULL_SIZE, classes: int = CLASSES
) -> dict[str, int]:
    """What labelling holds in RAM, with default options.

    Activations of the network lie on its device and do not count.

    Args:
        images: Number of images of the set.
        size: Width and height.
        classes: Number of classes.

    Returns:
        Bytes of ``histogram``, ``writer`` (labels and bins that wait to be
        written), ``loader`` (images that wait for the network) and ``lists``
        (of all images).
    """
    options = PseudoLabelOptions(ESL_RULE, pipeline=[])
    pixels, batch = size[0] * size[1], options.batch_size
    waiting = inspect.signature(in_threads).parameters['waiting'].default
    # The first of those that wait and the last may have a batch alive each.
    written = waiting + 2 * batch
    loaded = (_PREFETCHED * options.num_workers + 1) * batch
    return dict(
        histogram=ScoreHistogram(classes, options.bins).counts.nbytes,
        writer=written * pixels * (_LABEL_BYTES + _SCORE_BYTES),
        loader=loaded * pixels * 3,
        lists=images * _LIST_BYTES,
    )


def published_bytes(images: int, size: Size = FULL_SIZE) -> float:
    """Bytes of RAM that ESL's published program needs at its peak.

    It holds label and entropy of each pixel as float64, and for the class at
    work a mask over all pixels and a copy of the entropies. Sets of more than
    3,000 images are cut into parts with thresholds of their own.

    Args:
        images: Number of images.
        size: Width and height.
    """
    copied = 8 * _PUBLISHED_LARGEST_CLASS
    pixels = min(images, _PUBLISHED_PART) * size[0] * size[1]
    return pixels * (_PUBLISHED_PIXEL_BYTES + copied)


def _set_of(count: int, size: Size) -> str:
    return f'{count:,} images {size[0]}x{size[1]}'


def _memory_row(name: str, count: float, detail: str) -> Row:
    value = count / 1e6
    return Row('labelling_memory', name, value, 'MB', MAX_MEGABYTES, detail)
