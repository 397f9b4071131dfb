# Copyright (c) mmuda authors.
"""Lamps, traffic lights, signs, billboards, trees and bins."""

import numpy as np

from street_scenes.canvas import CIRCLE, Board, Canvas
from street_scenes.street_plan import Thing

_DETAILED = 40.0  # metres within which crowns are drawn with all blobs


def draw_lamp(canvas: Canvas, thing: Thing) -> None:
    """Draw a street lamp whose arm reaches over the road."""
    board, colour = Board(canvas, thing.x, thing.z), canvas.colour('pole')
    height, reach = canvas.rng.uniform((4.5, 0.6), (8.0, 2.4))
    arm = (-np.sign(thing.x) * reach, height + 0.3)
    board.bar((0.0, 0.0), (0.0, height), 0.2, colour, 'pole')
    board.bar((0.0, 0.0), (0.0, 0.9), 0.3, colour * 0.85, 'pole')
    board.bar((0.0, height), arm, 0.13, colour, 'pole')
    head = canvas.colour('metal') * 1.2
    board.bar(arm, (arm[0] * 1.3, arm[1]), 0.2, head, 'pole')


def draw_traffic_light(canvas: Canvas, thing: Thing) -> None:
    """Draw a traffic light on a post, at times one over the road as well."""
    rng = canvas.rng
    board, colour = Board(canvas, thing.x, thing.z), canvas.colour('pole')
    over_road = rng.random() < 0.45
    height = rng.uniform(5.0, 6.0) if over_road else rng.uniform(2.6, 3.2)
    board.bar((0.0, 0.0), (0.0, height), 0.17, colour, 'pole')
    lit = int(rng.integers(3))
    places = [(0.0, 2.7)]
    if over_road:
        end = -np.sign(thing.x) * rng.uniform(2.5, 4.5)
        board.bar((0.0, height), (end, height), 0.14, colour, 'pole')
        places.append((end, height - 0.35))
    for x, y in places:
        case = [(-0.26, -0.55), (0.26, -0.55), (0.26, 0.55), (-0.26, 0.55)]
        box = canvas.colour('light_box')
        board.polygon(np.array(case) + (x, y), box, 'traffic light')
        for number, shown in enumerate(
            ((60, 220, 120), (250, 190, 40), (240, 50, 40))
        ):
            glow = np.array(shown, float) * (1.0 if number == lit else 0.28)
            board.disc((x, y - 0.35 + 0.35 * number), 0.16, glow)


def draw_traffic_sign(canvas: Canvas, thing: Thing) -> None:
    """Draw a post with one or two signs."""
    rng = canvas.rng
    board, colour = Board(canvas, thing.x, thing.z), canvas.colour('pole')
    bottom = rng.uniform(1.9, 2.5)
    signs = int(rng.integers(1, 3))
    board.bar((0.0, 0.0), (0.0, bottom + signs * 0.75), 0.12, colour, 'pole')
    for number in range(signs):
        middle = np.array((0.0, bottom + 0.4 + 0.78 * number))
        _sign(board, middle, str(rng.choice(('disc', 'triangle', 'board'))))


def _sign(board: Board, middle: np.ndarray, shape: str) -> None:
    """Draw one sign with a coloured rim."""
    canvas, label = board.canvas, 'traffic sign'
    white = canvas.colour('sign_white')
    if shape == 'disc':
        board.disc(middle, 0.38, canvas.colour('sign_red'), label)
        board.disc(middle, 0.25, white)
    elif shape == 'triangle':
        corners = np.array([(-0.45, -0.34), (0.45, -0.34), (0.0, 0.45)])
        board.polygon(corners + middle, canvas.colour('sign_red'), label)
        board.polygon(0.55 * corners + middle, white)
    else:
        name = 'sign_blue' if canvas.rng.random() < 0.6 else 'sign_yellow'
        width = canvas.rng.uniform(0.35, 0.75)
        corners = np.array([(-1, -0.36), (1, -0.36), (1, 0.36), (-1, 0.36)])
        corners = corners * (width, 1.0)
        board.polygon(corners + middle, canvas.colour(name), label)
        board.polygon(corners * (0.7, 0.2) + middle, white)


def draw_billboard(canvas: Canvas, thing: Thing) -> None:
    """Draw an advertisement, high up on two posts."""
    rng, colour = canvas.rng, canvas.colour('pole')
    board = Board(canvas, thing.x, thing.z)
    wide, tall, bottom = rng.uniform((1.2, 1.4, 2.4), (2.4, 2.6, 3.8))
    for x in (-0.7 * wide, 0.7 * wide):
        board.bar((x, 0.0), (x, bottom), 0.16, colour * 0.85, 'pole')
    corners = np.array(
        [(-wide, 0.0), (wide, 0.0), (wide, tall), (-wide, tall)]
    )
    corners = corners + (0.0, bottom)
    middle = corners.mean(axis=0)
    board.polygon(corners, canvas.colour('metal'), 'billboard')
    board.polygon(
        0.94 * (corners - middle) + middle, canvas.colour('billboard')
    )
    for height, light in ((0.5, 1.0), (-0.2, 0.8)):
        line = (0.6, 0.14) * (corners - middle) + middle
        line = line + (0.0, 0.5 * height * tall)
        board.polygon(line, canvas.colour('sign_white') * light)


def draw_tree(canvas: Canvas, thing: Thing) -> None:
    """Draw a tree: a trunk and a ragged crown, lit from the sun's side."""
    rng, label = canvas.rng, 'vegetation'
    board = Board(canvas, thing.x, thing.z, rng.uniform(0.75, 1.2))
    colour = canvas.colour('vegetation')
    trunk = rng.uniform(1.9, 3.0)
    board.bar(
        (0.0, 0.0), (0.0, trunk + 1), 0.34, canvas.colour('trunk'), label
    )
    wide, tall = rng.uniform((1.5, 1.6), (2.5, 2.8))
    middle = np.array((0.0, trunk + tall))
    ragged = CIRCLE * rng.uniform(0.8, 1.1, (len(CIRCLE), 1))
    board.polygon(ragged * (wide, tall) + middle, colour * 0.82, label)
    blobs = 9 if thing.z < _DETAILED else 4
    for place in rng.uniform(-0.72, 0.72, (blobs, 2)):
        sunny = 0.16 * (place[0] * canvas.sun_side) + 0.18 * place[1]
        light = 0.98 + (0.5 + 2 * canvas.domain.look.sun) * sunny
        leaves = CIRCLE * rng.uniform(0.5, 0.85, (len(CIRCLE), 1))
        board.polygon(
            leaves + middle + place * (wide, tall), colour * light, label
        )


def draw_static(canvas: Canvas, thing: Thing) -> None:
    """Draw a bin or a bench, which no protocol evaluates."""
    board, colour = Board(canvas, thing.x, thing.z), canvas.colour('static')
    if canvas.rng.random() < 0.6:
        board.bar((0.0, 0.0), (0.0, 1.0), 0.6, colour, 'static')
        board.bar((0.0, 0.95), (0.0, 1.1), 0.7, colour * 0.7, 'static')
        return
    board.bar((-0.8, 0.45), (0.8, 0.45), 0.14, colour, 'static')
    board.bar((-0.8, 0.8), (0.8, 0.8), 0.2, colour, 'static')
    for x in (-0.65, 0.65):
        board.bar((x, 0.0), (x, 0.8), 0.1, colour * 0.7, 'static')
