# Copyright (c) mmuda authors.
"""Cars, trucks, buses, trams and autorickshaws: boxes with details."""

import numpy as np

from street_scenes.canvas import CIRCLE, Canvas
from street_scenes.geometry import Box, grid, patches
from street_scenes.street_plan import Thing

_DETAILED = 40.0  # metres within which wheels and lamps of cars are drawn

_SIDES = ('left', 'right')


def draw_car(canvas: Canvas, thing: Thing) -> None:
    """Draw a saloon, an estate or a van."""
    rng = canvas.rng
    colour, glass = canvas.colour('car'), canvas.colour('glass')
    length, width = rng.uniform((3.8, 1.7), (4.7, 1.9))
    waist, roof = rng.uniform((0.85, 1.35), (1.0, 1.6))
    tail = rng.uniform(0.1, 0.9)
    nose = rng.uniform(0.9, 1.3)
    ahead, behind = (nose, tail) if thing.oncoming else (tail, nose)
    _shadow(canvas, thing, width, length)
    body = Box(thing.x, thing.z, width, length, 0.28, waist, (0.05, 0, 0))
    seen = canvas.box(body, colour, 'car')
    cabin = Box(
        thing.x,
        thing.z + 0.5 * ahead,
        width - 0.12,
        length - 0.5 * (ahead + behind),
        waist,
        roof,
        (0.16, 0.6 * ahead + 0.1, 0.6 * behind + 0.1),
    )
    _glazed(canvas, canvas.box(cabin, colour, 'car'), glass, 2)
    if thing.z > _DETAILED:
        return
    _wheels(canvas, seen, 'car', (0.2, 0.8), 0.32)
    _lamps(canvas, seen['front'], thing.oncoming, 0.55)


def draw_truck(canvas: Canvas, thing: Thing) -> None:
    """Draw a truck with a box body, its cab in front if it is oncoming."""
    rng, colour = canvas.rng, canvas.colour('truck')
    length, width, height = rng.uniform((6.0, 2.3, 2.9), (10.0, 2.5, 3.7))
    _shadow(canvas, thing, width, length)
    load = Box(thing.x, thing.z, width, length, 0.75, height)
    if thing.oncoming:
        behind = Box(thing.x, thing.z + 2.2, width, length, 0.8, height)
        canvas.box(behind, colour, 'truck')
        load = Box(thing.x, thing.z, width - 0.1, 2.0, 0.4, 2.7, (0, 0.3, 0))
    seen = canvas.box(load, colour, 'truck')
    if thing.oncoming:
        _glazed(canvas, seen, canvas.colour('glass'), 1)
    else:
        doors = patches(seen['front'], grid(2, 1, (0.04, 0.04)))
        canvas.world(doors, colour * 0.86)
    chassis = Box(thing.x, thing.z, width - 0.3, length, 0.3, 0.8)
    canvas.box(chassis, canvas.colour('metal') * 0.6, 'truck')
    _wheels(canvas, seen, 'truck', (0.15, 0.3, 0.85), 0.5)
    _lamps(canvas, seen['front'], thing.oncoming, 0.08)


def draw_bus(canvas: Canvas, thing: Thing) -> None:
    """Draw a city bus with a row of windows and a sign over the windscreen."""
    colour, rng = canvas.colour('bus'), canvas.rng
    length, height = rng.uniform((9.0, 2.9), (13.0, 3.3))
    _shadow(canvas, thing, 2.5, length)
    box = Box(thing.x, thing.z, 2.5, length, 0.35, height)
    seen = canvas.box(box, colour, 'bus')
    _glazed(canvas, seen, canvas.colour('glass'), 6)
    sign = patches(seen['front'], [(0.2, 0.86, 0.8, 0.95)])
    canvas.world(sign, canvas.colour('light_box'))
    _wheels(canvas, seen, 'bus', (0.2, 0.75), 0.48)
    _lamps(canvas, seen['front'], thing.oncoming, 0.1)


def draw_train(canvas: Canvas, thing: Thing) -> None:
    """Draw a tram of two long cars."""
    colour, glass = canvas.colour('train'), canvas.colour('glass')
    white = canvas.colour('sign_white')
    for start in (16.0, 0.0):
        box = Box(thing.x, thing.z + start, 2.4, 15.4, 0.25, 3.5, (0.15, 0, 0))
        seen = canvas.box(box, colour, 'train')
        _glazed(canvas, seen, glass, 9)
        for name in (*_SIDES, 'front'):
            if name in seen:
                stripe = patches(seen[name], [(0.0, 0.3, 1.0, 0.38)])
                canvas.world(stripe, white * 0.9)
    _lamps(canvas, seen['front'], thing.oncoming, 0.15)


def draw_autorickshaw(canvas: Canvas, thing: Thing) -> None:
    """Draw a three-wheeler: a low body, open sides and a canopy."""
    colour, label = canvas.colour('autorickshaw'), 'autorickshaw'
    length, width = canvas.rng.uniform((2.4, 1.25), (2.8, 1.4))
    _shadow(canvas, thing, width, length)
    body = Box(thing.x, thing.z, width, length, 0.25, 0.95, (0.04, 0.1, 0))
    seen = canvas.box(body, colour, label)
    cabin = Box(thing.x, thing.z + 0.1, width - 0.08, length - 0.1, 0.95, 1.45)
    shade = 0.7 * canvas.colour('glass')
    _glazed(canvas, canvas.box(cabin, colour * 0.7, label), shade, 2)
    canopy = Box(thing.x, thing.z, width, length, 1.42, 1.78, (0.14, 0.3, 0.1))
    canvas.box(canopy, canvas.colour('canopy'), label)
    if thing.z > _DETAILED:
        return
    _wheels(canvas, seen, label, (0.15, 0.82), 0.24)
    _lamps(canvas, seen['front'], thing.oncoming, 0.5)


def _shadow(canvas: Canvas, thing: Thing, width: float, length: float) -> None:
    """Darken the ground under and beside a vehicle."""
    drift = -0.5 * canvas.sun_side * canvas.domain.look.shadow
    middle = (thing.x + drift, 0.0, thing.z + 0.5 * length)
    ground = np.zeros((len(CIRCLE), 3))
    ground[:, ::2] = np.clip(CIRCLE * 1.3, -1, 1)
    ground = ground * (0.56 * width, 0.0, 0.53 * length) + middle
    light = 0.8 - 0.6 * canvas.domain.look.shadow
    canvas.shade(canvas.camera.project(ground), light)


def _glazed(
    canvas: Canvas, seen: dict, glass: np.ndarray, columns: int
) -> None:
    """Draw windows on the sides and one on the front."""
    for name in _SIDES:
        if name not in seen:
            continue
        panes = grid(columns, 1, (0.06, 0.0))
        panes[:, 1], panes[:, 3] = 0.5, 0.88
        if columns == 2:
            panes[:, 1], panes[:, 3] = 0.1, 0.84
        canvas.world(patches(seen[name], panes), glass)
    if 'front' in seen:
        low = 0.1 if columns == 2 else 0.45
        pane = [(0.07, low, 0.93, 0.84)]
        canvas.world(patches(seen['front'], pane), glass * 1.1)


def _wheels(
    canvas: Canvas,
    seen: dict,
    label: str,
    places: tuple[float, ...],
    radius: float,
) -> None:
    """Draw tyres on the seen side and under the front."""
    tyre, hub = canvas.colour('tyre'), canvas.colour('metal')
    for name in _SIDES:
        if name not in seen:
            continue
        start, end = seen[name][0], seen[name][1]
        for place in places:
            middle = start + place * (end - start)
            wheel = np.tile(middle, (len(CIRCLE), 1))
            wheel[:, 1] = radius * (1 + CIRCLE[:, 1])
            wheel[:, 2] += radius * CIRCLE[:, 0]
            canvas.world(wheel, tyre, label)
            canvas.world(0.5 * (wheel + wheel.mean(axis=0)), hub)
    front = seen['front'][:2].copy()
    feet = np.stack((front[0], front[1], front[1], front[0]))
    feet[:2, 1], feet[2:, 1] = 0.02, front[0, 1] + 0.02
    tyres = patches(feet, [(0.03, 0, 0.16, 1), (0.84, 0, 0.97, 1)])
    canvas.world(tyres, tyre, label)


def _lamps(
    canvas: Canvas, front: np.ndarray, oncoming: bool, bottom: float
) -> None:
    """Draw two lamps and a number plate."""
    lamp = canvas.colour('lamp_white' if oncoming else 'lamp_red')
    top = bottom + 0.22
    lamps = [(0.04, bottom, 0.2, top), (0.8, bottom, 0.96, top)]
    canvas.world(patches(front, lamps), lamp)
    plate = [(0.37, 0.5 * bottom, 0.63, 0.5 * bottom + 0.16)]
    canvas.world(patches(front, plate), canvas.colour('plate'))
