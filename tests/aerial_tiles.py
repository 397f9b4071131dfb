"""Small tiles of towns and country in the layout of LoveDA."""

from pathlib import Path

import numpy as np
from PIL import Image

# Ids of masks, in the order of the classes; 0 is where there are no data.
NO_DATA, BACKGROUND, BUILDING, ROAD, WATER, BARREN, FOREST, FIELD = range(8)
_COLOURS = np.array(
    [
        *([0, 0, 0], [150, 145, 135], [190, 95, 80], [110, 110, 115]),
        *([45, 80, 110], [185, 160, 115], [50, 90, 45], [140, 170, 80]),
    ],
    float,
)
# What the country is lit by, and how common each class is.
_TINT = dict(Urban=(1.0, 1.0, 1.0), Rural=(1.15, 1.0, 0.75))
_SHARES = dict(
    Urban=[0.0, 0.35, 0.0, 0.0, 0.1, 0.15, 0.2, 0.2],
    Rural=[0.0, 0.15, 0.0, 0.0, 0.15, 0.15, 0.2, 0.35],
)
_HOUSES = dict(Urban=12, Rural=4)


def draw_tile(domain, seed, size=64):
    """A tile of patches of land, houses, a road and a corner without data.

    Returns:
        (size, size, 3) uint8 RGB, and (size, size) uint8 ids of the mask.
    """
    rng = np.random.default_rng([seed, domain == 'Rural'])
    cell = size // 4
    patches = rng.choice(8, (4, 4), p=_SHARES[domain]).astype(np.uint8)
    mask = patches.repeat(cell, 0).repeat(cell, 1)
    for top, left in rng.integers(0, size - 8, (_HOUSES[domain], 2)):
        mask[top : top + 6, left : left + 8] = BUILDING
    road = rng.integers(4, size - 8)
    mask[road : road + 4] = ROAD
    mask[: size // 16, : size // 8] = NO_DATA
    image = _COLOURS[mask] * _TINT[domain] + rng.normal(0, 8, (size, size, 1))
    image[mask == NO_DATA] = 0
    return image.clip(0, 255).astype(np.uint8), mask


def write_loveda(root: Path, train=2, val=1, test=0, size=64) -> Path:
    """Write so many tiles of each domain in each split.

    Numbers go on from split to split, and the test split has no masks, as in
    the real set.
    """
    number = 0
    for split, count in dict(Train=train, Val=val, Test=test).items():
        for domain in ('Urban', 'Rural'):
            folder = root / split / domain
            for _ in range(count):
                image, mask = draw_tile(domain, number, size)
                _save(folder / 'images_png' / f'{number}.png', image)
                if split != 'Test':
                    _save(folder / 'masks_png' / f'{number}.png', mask)
                number += 1
    return root


def _save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
