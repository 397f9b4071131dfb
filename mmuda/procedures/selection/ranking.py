# Copyright (c) mmuda authors.
"""Which images to label, and which of the labelled ones to train on."""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from mmuda.pseudo_labels.image_statistics import ImageStatistics
from mmuda.utils.checks import one_of
from mmuda.utils.errors import ConfigError

Ranking = Literal['confidence', 'num_classes', 'rejected']


def rank_images(
    statistics: ImageStatistics, by: Ranking = 'confidence'
) -> list[int]:
    """Order images by how good their pseudo-labels are, best first.

    Images of which nothing is kept are left out. Of equal images the one
    whose key is first in the alphabet comes first.

    Args:
        statistics: Of N images.
        by: ``confidence``, high first; ``num_classes`` with a kept pixel,
            many first and then by confidence; or ``rejected`` share of the
            pixels, low first.

    Returns:
        Numbers of the images.

    Raises:
        ConfigError: ``by`` is unknown.
    """
    one_of(get_args(Ranking)).require(by, 'ranking')
    filled = np.flatnonzero(statistics.num_classes_present)
    columns = {
        'confidence': [-statistics.score],
        'num_classes': [-statistics.num_classes_present, -statistics.score],
        'rejected': [statistics.rejected_share],
    }[by]
    return sorted(
        filled.tolist(),
        key=lambda i: (*(c[i] for c in columns), statistics.keys[i]),
    )


def own_share(
    ranking: Sequence[int],
    keys: Sequence[str],
    given: Collection[str],
    number: int,
) -> list[int]:
    """The half of n images that a model keeps of its own.

    For ``self+cotraining``: the other n - n // 2 images are given.

    Args:
        ranking: Numbers of the model's own images, best first.
        keys: Keys of its images.
        given: Keys of the images that the other model gives.
        number: The number n of images in all.

    Returns:
        The first n // 2 images of the ranking that are not given.
    """
    own = [index for index in ranking if keys[index] not in given]
    return own[: number // 2]


def sample_keys(
    keys: Sequence[str], number: int | None, seed: int, step: int = 1
) -> list[str]:
    """Draw the images that are labelled in a cycle.

    Args:
        keys: Keys of the whole set, in any order.
        number: How many to draw without replacement; None takes all.
        seed: The draw depends on it and the keys only.
        step: Draw from each so many-th key only, beginning at a random one:
            neighbouring frames of videos are alike.

    Returns:
        Sorted keys.

    Raises:
        ConfigError: There are fewer images than ``number``, or a number is
            less than 1.
    """
    for name, value in (('number', number), ('step', step)):
        if value is not None and value < 1:
            raise ConfigError(f'{name}={value} must be at least 1')
    generator = np.random.default_rng(seed)
    offset = int(generator.integers(step))
    pool = sorted(set(keys))[offset::step]
    if number is None:
        return pool
    if number > len(pool):
        raise ConfigError(
            f'{number} target images are to be labelled in a cycle, but '
            f'there are {len(pool)}'
            f'{f" (each {step}. of {len(set(keys))})" if step > 1 else ""}; '
            'choose a smaller number, or None for all'
        )
    drawn = generator.choice(len(pool), number, replace=False)
    return [pool[index] for index in sorted(drawn.tolist())]


def keys_text(keys: Iterable[str]) -> str:
    """Content of a split list (``ann_file``) of images.

    Args:
        keys: Keys of the images.

    Returns:
        A line for each.
    """
    # Lists name keys or files; a key with a dot in its name could be taken
    # for a file, whose suffix is left out.
    return ''.join(
        f'{key}.png\n' if '.' in key.rpartition('/')[2] else f'{key}\n'
        for key in keys
    )
