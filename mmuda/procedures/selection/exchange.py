# Copyright (c) mmuda authors.
"""Which images two models give to each other.

Each model gets, with their labels, images of the classes at which it is weak
and the other is strong. Source: Gómez et al., Co-Training for Unsupervised
Domain Adaptation of Semantic Segmentation Models, Sensors 2023, algorithm 2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mmuda.pseudo_labels.image_statistics import ImageStatistics
from mmuda.utils.checks import COUNT, SHARE, WHOLE, one_of
from mmuda.utils.errors import DataError

from .labelled_images import LabelledImages, require_same_classes

ExchangeOrder = Literal['difference', 'demand', 'confidence']
Thresholds = Sequence[float | None]


@dataclass(frozen=True)
class Exchange:
    """Images that one model gets from the other, best first.

    Attributes:
        indices: Numbers of the images in the giver's statistics.
        classes: The class that each was chosen for.
        empty: Classes of which the giver has no image that will do.
    """

    indices: tuple[int, ...]
    classes: tuple[int, ...]
    empty: tuple[int, ...]


def choose_exchange(
    giver: LabelledImages,
    receiver: LabelledImages,
    number: int,
    order: ExchangeOrder = 'difference',
    min_pixels: int = 5000,
    control: float = 0.2,
) -> Exchange:
    """Choose images of one model for the other.

    Args:
        giver: Whose images and labels are given.
        receiver: What the other model makes of its images.
        number: Largest number n of images.
        order: ``difference`` begins with the classes whose threshold is
            lower for the receiver than for the giver; ``demand`` with those
            whose threshold is lowest for the receiver; ``confidence``
            compares the confidences of each image instead.
        min_pixels: An image holds a class if more pixels of it are kept.
        control: Part of the range of confidences, from the best image of a
            class down, whose images are given.

    Raises:
        ConfigError: A value is unknown or outside its range.
        DataError: The two have other classes, or, for ``confidence``, other
            images.
    """
    one_of(get_args(ExchangeOrder)).require(order, 'exchange')
    COUNT.require(number, 'exchange.number')
    WHOLE.require(min_pixels, 'exchange.min_pixels')
    SHARE.require(control, 'exchange.control')
    require_same_classes(giver, receiver)
    if order == 'confidence':
        return exchange_by_confidence(
            giver.statistics, receiver.statistics, number
        )
    compared = giver.thresholds if order == 'difference' else None
    classes = class_order(receiver.thresholds, compared)
    return exchange_by_class(
        giver.statistics, classes, number, min_pixels, control
    )


def class_order(
    receiver: Thresholds, giver: Thresholds | None = None
) -> list[int]:
    """Order classes by what the receiver needs most.

    Args:
        receiver: Its threshold of each class.
        giver: That of the other model; None leaves it out of account.

    Returns:
        All classes, ascending by the receiver's threshold less the giver's;
        those without thresholds last, equal ones by their number.
    """
    need = np.array(receiver, dtype=np.float64)
    if giver is not None:
        need = need - np.array(giver, dtype=np.float64)
    # None becomes NaN, which is sorted to the end.
    return np.argsort(need, kind='stable').tolist()


def exchange_by_class(
    giver: ImageStatistics,
    classes: Iterable[int],
    number: int,
    min_pixels: int = 5000,
    control: float = 0.2,
) -> Exchange:
    """Take the best images of one class after the other, each image once.

    Args:
        giver: Statistics of the giver's labels.
        classes: In which order.
        number: Largest number of images.
        min_pixels: See :func:`choose_exchange`.
        control: See :func:`choose_exchange`.
    """
    chosen: dict[int, int] = {}
    empty = []
    for class_id in classes:
        images = images_of_class(giver, class_id, min_pixels, control)
        if not images:
            empty.append(class_id)
        for index in images:
            chosen.setdefault(index, class_id)
    return _exchange(list(chosen.items())[:number], empty)


def images_of_class(
    statistics: ImageStatistics,
    class_id: int,
    min_pixels: int = 5000,
    control: float = 0.2,
) -> list[int]:
    """Images with enough pixels of a class and a high mean confidence of it.

    An image passes if its confidence is above best - control (best - worst)
    of these images. The best one always passes; alone, it does not in the
    published code.

    Returns:
        Numbers of the images, surest first, equal ones by key.
    """
    images = np.flatnonzero(statistics.kept[:, class_id] > min_pixels)
    if not images.size:
        return []
    confidence = statistics.mean_confidence[:, class_id]
    best, worst = confidence[images].max(), confidence[images].min()
    limit = best - control * (best - worst)
    passes = (confidence[images] > limit) | (confidence[images] == best)
    return sorted(
        images[passes].tolist(),
        key=lambda i: (-confidence[i], statistics.keys[i]),
    )


def exchange_by_confidence(
    giver: ImageStatistics, receiver: ImageStatistics, number: int
) -> Exchange:
    """Take images of which the giver is surer than the receiver.

    The score of an image is the mean of max(g - r, 0) (1 - r) over the
    classes that the giver keeps in it, where g and r are the mean confidences
    of giver and receiver; r is 0 for a class that the receiver does not keep.
    Of equal images the one with more classes comes first, then by key.

    Args:
        giver: Statistics of the giver's labels.
        receiver: Of the receiver's labels of these images, in any order.
        number: Largest number of images.

    Raises:
        DataError: The receiver has not labelled an image of the giver.
    """
    rows = {key: row for row, key in enumerate(receiver.keys)}
    missing = [key for key in giver.keys if key not in rows]
    if missing:
        raise DataError(
            f"exchange 'confidence': {len(missing)} image(s), the first is "
            f'{missing[0]!r}, were labelled by the giver only; label the '
            'same images with both models'
        )
    order = np.array([rows[key] for key in giver.keys], dtype=np.int64)
    own = np.nan_to_num(receiver.mean_confidence[order], nan=0.0)
    given = np.nan_to_num(giver.mean_confidence, nan=0.0)
    demand = np.maximum(given - own, 0) * (1 - own)
    present = giver.num_classes_present
    score = demand.sum(axis=1) / np.maximum(present, 1)
    best = sorted(
        np.flatnonzero(present).tolist(),
        key=lambda i: (-score[i], -present[i], giver.keys[i]),
    )[:number]
    chosen = [(index, int(demand[index].argmax())) for index in best]
    empty = np.flatnonzero(giver.kept.sum(axis=0) == 0).tolist()
    return _exchange(chosen, empty)


def exchange_warnings(
    exchange: Exchange, classes: Sequence[str], giver: str, receiver: str
) -> list[str]:
    """Tell what the receiver does not get.

    Args:
        exchange: What it gets.
        classes: Names of the classes.
        giver: Name of the giver.
        receiver: Name of the receiver.

    Returns:
        Lines to print; none if every class has an image.
    """
    if not exchange.indices:
        return [
            f'{receiver} gets no image from {giver}: none has enough sure '
            'pixels of any class; it goes on with what it has. Lower '
            'min_pixels, or raise the portion of pixels to keep'
        ]
    if not exchange.empty:
        return []
    names = ', '.join(classes[c] for c in sorted(exchange.empty))
    return [
        f'{receiver} gets no image from {giver} for {names}: none has enough '
        'sure pixels of it'
    ]


def _exchange(
    chosen: Sequence[tuple[int, int]], empty: Iterable[int]
) -> Exchange:
    indices, classes = zip(*chosen, strict=True) if chosen else ((), ())
    return Exchange(tuple(indices), tuple(classes), tuple(empty))
