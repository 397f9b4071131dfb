# Copyright (c) mmuda authors.
"""Both sides of the street: houses, walls, fences and hedges."""

from collections.abc import Callable

import numpy as np

from street_scenes.canvas import Canvas
from street_scenes.geometry import grid, patches, upright
from street_scenes.street_plan import SIDES, Street

_STOREY = 3.1
_DEEP = 14.0  # metres that a house goes back from the street
_DETAILED = 75.0  # metres within which windows are drawn


def draw_frontage(canvas: Canvas, street: Street) -> None:
    """Draw both rows of houses, walls, fences and hedges, far to near."""
    weights = canvas.domain.statistics.frontage
    kinds, share = list(weights), np.array(list(weights.values()))
    for side in SIDES:
        lots, z = [], canvas.rng.uniform(2.0, 8.0)
        while z < 130.0:
            length = canvas.rng.uniform(7.0, 20.0)
            kind = str(canvas.rng.choice(kinds, p=share / share.sum()))
            if not street.crossed(z, length):
                lots.append((kind, z, length))
            z += length
        for kind, start, length in reversed(lots):
            x = side * (street.setback(side) + canvas.rng.uniform(0.0, 0.8))
            if kind != 'open':
                _DRAW[kind](canvas, x, start, length)


def _faces(
    x: float, z: float, length: float, height: float, deep: float = _DEEP
) -> tuple[np.ndarray, np.ndarray]:
    """Return the face along the street and the one towards the camera."""
    along = upright((x, z), (x, z + length), 0.0, height)
    back = x + np.sign(x) * deep
    return along, upright((x, z), (back, z), 0.0, height)


def _building(canvas: Canvas, x: float, z: float, length: float) -> None:
    """Draw a house with windows, a ground floor and a cornice."""
    rng, side = canvas.rng, -np.sign(x)
    storeys = int(
        rng.integers(*canvas.domain.statistics.storeys, endpoint=True)
    )
    colour, glass = canvas.colour('building'), canvas.colour('window')
    height = storeys * _STOREY + rng.uniform(0.6, 1.6)
    margin = rng.uniform((0.14, 0.18), (0.34, 0.32))
    cell = rng.uniform(2.0, 3.6)
    along, gable = _faces(x, z, length, height)
    for face, light, wide in (
        (gable, 0.96, _DEEP),
        (along, canvas.lit(side), length),
    ):
        shown = canvas.world(face, colour * light, 'building')
        if z > _DETAILED or not shown:
            continue
        cells = grid(max(int(wide / cell), 1), storeys, margin)
        cells[:, 1::2] *= storeys * _STOREY / height
        canvas.world(patches(face, cells), glass * light)
        if z > 0.5 * _DETAILED:
            continue
        low, high = 0.72 * _STOREY / height, 0.86 * _STOREY / height
        awning = patches(face, [(0.0, low, 1.0, high)])
        canvas.world(awning, colour * light * 0.75)
        top = patches(face, [(0.0, 1 - 0.5 / height, 1.0, 1.0)])
        canvas.world(top, colour * light * 1.15)


def _wall(canvas: Canvas, x: float, z: float, length: float) -> None:
    """Draw a wall with courses and a coping."""
    height, colour = canvas.rng.uniform(1.9, 3.4), canvas.colour('wall')
    along, end = _faces(x, z, length, height, 0.4)
    canvas.world(end, colour, 'wall')
    colour = colour * canvas.lit(-np.sign(x))
    canvas.world(along, colour, 'wall')
    courses = grid(1, 5, (0.0, 0.44))
    canvas.world(patches(along, courses), colour * 0.84)
    canvas.world(patches(along, [(0.0, 0.93, 1.0, 1.0)]), colour * 1.18)


def _fence(canvas: Canvas, x: float, z: float, length: float) -> None:
    """Draw a fence of posts and rails; what is seen through is fence too."""
    height, colour = canvas.rng.uniform(1.4, 2.8), canvas.colour('fence')
    if canvas.rng.random() < 0.6:
        _hedge(canvas, x + 2.5 * np.sign(x), z, length)
    along, _ = _faces(x, z, length, height)
    pixels = canvas.camera.project(along)
    canvas.shade(pixels, 0.82)
    canvas.label(pixels, 'fence')
    colour = colour * canvas.lit(-np.sign(x))
    posts = grid(int(length / 0.45), 1, (0.3, 0.0))
    canvas.world(patches(along, posts), colour)
    rails = np.array([(0.0, 0.1, 1.0, 0.18), (0.0, 0.84, 1.0, 0.93)])
    canvas.world(patches(along, rails), colour * 0.9)


def _hedge(canvas: Canvas, x: float, z: float, length: float) -> None:
    """Draw bushes in a row."""
    height, colour = canvas.rng.uniform(1.4, 4.5), canvas.colour('vegetation')
    step = max(1.6, 0.1 * z)
    for number, start in enumerate(np.arange(z, z + length, step)[::-1]):
        tall = height * canvas.rng.uniform(0.75, 1.15)
        along, end = _faces(x, start, step, tall, 4.0)
        canvas.world(end, colour * (0.85 + 0.1 * (number % 2)), 'vegetation')
        light = canvas.lit(-np.sign(x)) * canvas.rng.uniform(0.85, 1.1)
        canvas.world(along, colour * light, 'vegetation')


_DRAW: dict[str, Callable[[Canvas, float, float, float], None]] = {
    'building': _building,
    'wall': _wall,
    'fence': _fence,
    'hedge': _hedge,
}
