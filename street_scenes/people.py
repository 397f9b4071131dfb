# Copyright (c) mmuda authors.
"""People on foot, bicycles, motorcycles and their riders."""

import numpy as np

from street_scenes.canvas import CIRCLE, Board, Canvas
from street_scenes.street_plan import Thing


def draw_person(canvas: Canvas, thing: Thing) -> None:
    """Draw somebody who stands or walks."""
    rng, look = canvas.rng, canvas.domain.look
    board = Board(canvas, thing.x, thing.z, rng.uniform(0.9, 1.08))
    foot = canvas.camera.project(np.array((thing.x, 0.0, thing.z)))
    size = canvas.camera.focal / thing.z
    spot = CIRCLE * size * (0.34, 0.07) + foot
    canvas.shade(spot, 0.85 - 0.5 * look.shadow)
    stride = rng.uniform(0.02, 0.28)
    trousers, clothes = canvas.colour('trousers'), canvas.colour('clothes')
    for direction, light in ((-1, 0.85), (1, 1.0)):
        heel = (direction * (0.09 + stride), 0.0)
        board.bar(
            (direction * 0.09, 0.9), heel, 0.19, trousers * light, 'person'
        )
    _torso(board, 'person', clothes, (0.0, 0.82), (0.0, 1.48), 0.46)
    swing = rng.uniform(0.05, 0.25)
    for direction in (-1, 1):
        hand = (direction * (0.24 + swing), 0.82)
        board.bar(
            (direction * 0.22, 1.42), hand, 0.12, clothes * 0.85, 'person'
        )
    _head(board, 'person', (0.0, 1.62), canvas.colour('hair'))


def draw_bicycle(canvas: Canvas, thing: Thing) -> None:
    """Draw a parked bicycle."""
    _bicycle(_turned(canvas, thing), canvas.colour('bicycle'))


def draw_cyclist(canvas: Canvas, thing: Thing) -> None:
    """Draw a bicycle with a rider."""
    board, clothes = _turned(canvas, thing), canvas.colour('rider')
    trousers = canvas.colour('trousers')
    _bicycle(board, canvas.colour('bicycle'))
    body = Board(canvas, thing.x, thing.z)
    for knee, light in (((0.18, 0.75), 0.8), ((0.1, 0.62), 1.0)):
        board.bar((-0.12, 1.0), knee, 0.2, trousers * light, 'rider')
        board.bar(knee, (0.02, 0.32), 0.15, trousers * light, 'rider')
    _torso(body, 'rider', clothes, (0.0, 0.92), (0.06, 1.5), 0.44)
    board.bar((0.1, 1.42), (0.42, 1.06), 0.13, clothes * 0.85, 'rider')
    _head(body, 'rider', (0.08, 1.64), canvas.colour('hair'))


def draw_motorcycle(canvas: Canvas, thing: Thing) -> None:
    """Draw a parked motorcycle."""
    _motorcycle(_turned(canvas, thing), canvas.colour('motorcycle'), thing)


def draw_motorcyclist(canvas: Canvas, thing: Thing) -> None:
    """Draw a motorcycle with a rider who wears a helmet."""
    board = Board(canvas, thing.x, thing.z, turn=canvas.rng.uniform(0.3, 0.6))
    clothes = canvas.colour('rider')
    _motorcycle(board, canvas.colour('motorcycle'), thing)
    body = Board(canvas, thing.x, thing.z)
    board.bar(
        (-0.2, 0.85), (0.25, 0.5), 0.3, canvas.colour('trousers'), 'rider'
    )
    _torso(body, 'rider', clothes, (0.0, 0.8), (0.04, 1.4), 0.52)
    board.bar((0.1, 1.3), (0.5, 1.0), 0.16, clothes * 0.8, 'rider')
    body.disc((0.05, 1.56), 0.17, clothes * 0.6, 'rider')


def _turned(canvas: Canvas, thing: Thing) -> Board:
    """Return a board seen from a random angle, left or right."""
    turn = canvas.rng.uniform(0.45, 1.0) * canvas.rng.choice((-1.0, 1.0))
    return Board(canvas, thing.x, thing.z, turn=turn)


def _torso(
    board: Board,
    label: str,
    colour: np.ndarray,
    hip: tuple[float, float],
    neck: tuple[float, float],
    width: float,
) -> None:
    """Draw a torso that is wider at the shoulders."""
    (low_x, low), (high_x, high) = hip, neck
    half, waist = 0.5 * width, 0.38 * width
    outline = [
        (low_x - waist, low),
        (low_x + waist, low),
        (high_x + half, high - 0.1),
        (high_x + 0.4 * half, high + 0.02),
        (high_x - 0.4 * half, high + 0.02),
        (high_x - half, high - 0.1),
    ]
    board.polygon(outline, colour, label)


def _head(
    board: Board, label: str, middle: tuple[float, float], hair: np.ndarray
) -> None:
    """Draw a head with hair."""
    x, y = middle
    board.disc((x, y + 0.03), 0.135, hair, label)
    board.disc((x, y - 0.03), 0.1, board.canvas.colour('skin'), label)


def _bicycle(board: Board, colour: np.ndarray) -> None:
    """Draw wheels and frame; what is seen through the spokes is bicycle."""
    canvas, tyre = board.canvas, board.canvas.colour('tyre')
    frame = [(-0.52, 0.34), (-0.18, 0.92), (0.42, 0.92), (0.52, 0.34)]
    board.mark([*frame, (0.0, 0.3)], 'bicycle')
    for x in (-0.52, 0.52):
        board.mark(CIRCLE * 0.35 + (x, 0.35), 'bicycle')
        ring = np.stack((CIRCLE * 0.36, CIRCLE * 0.28)) + (x, 0.35)
        board.polygon(ring, tyre)
        board.disc((x, 0.35), 0.09, canvas.colour('metal'))
    for start, end in (
        ((-0.52, 0.35), (-0.18, 0.88)),
        ((-0.18, 0.8), (0.42, 0.85)),
        ((-0.15, 0.75), (0.0, 0.3)),
        ((0.0, 0.3), (0.42, 0.85)),
        ((-0.52, 0.35), (0.0, 0.3)),
        ((0.4, 1.05), (0.52, 0.35)),
    ):
        board.bar(start, end, 0.08, colour, 'bicycle')
    board.bar((-0.32, 0.97), (-0.06, 0.97), 0.1, tyre, 'bicycle')
    board.bar((0.3, 1.07), (0.5, 1.07), 0.07, tyre, 'bicycle')


def _motorcycle(board: Board, colour: np.ndarray, thing: Thing) -> None:
    """Draw two fat wheels, tank, seat and a lamp."""
    canvas, label = board.canvas, 'motorcycle'
    tyre, metal = canvas.colour('tyre'), canvas.colour('metal')
    for x in (-0.68, 0.68):
        board.disc((x, 0.32), 0.32, tyre, label)
        board.disc((x, 0.32), 0.15, metal, label)
    board.polygon(
        [(-0.5, 0.3), (0.45, 0.3), (0.4, 0.7), (-0.5, 0.7)], metal * 0.7, label
    )
    tank = [(-0.85, 0.72), (0.1, 0.62), (0.62, 0.7), (0.45, 1.0), (0.0, 0.95)]
    board.polygon(tank, colour, label)
    board.bar((-0.7, 0.8), (0.0, 0.85), 0.14, tyre, label)
    board.bar((0.42, 1.08), (0.7, 0.35), 0.1, metal, label)
    lamp = canvas.colour('lamp_white' if thing.oncoming else 'lamp_red')
    board.disc((0.6, 0.88), 0.1, lamp, label)
