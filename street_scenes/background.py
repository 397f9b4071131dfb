# Copyright (c) mmuda authors.
"""Sky, ground and skyline: what is drawn before anything that stands up."""

import cv2
import numpy as np

from street_scenes.canvas import Canvas
from street_scenes.geometry import (
    depths,
    ground_strip,
    upright,
)
from street_scenes.street_labels import LABEL_IDS
from street_scenes.street_plan import Street

FAR = 160.0
_NEAR = 1.5
_MARKED = 60.0


def draw_sky(canvas: Canvas) -> None:
    """Fill the whole canvas with sky: a gradient and soft clouds."""
    height, width = canvas.label_ids.shape
    share = np.linspace(0, height / canvas.camera.horizon, height)[:, None]
    share = np.minimum(share, 1.0)
    top, low = canvas.colour('sky_top'), canvas.colour('sky_low')
    sky = ((1 - share) * top + share * low)[:, None].repeat(width, 1)
    lattice = canvas.rng.random((5, 7)).astype(np.float32)
    blobs = cv2.resize(lattice, (width, height), interpolation=cv2.INTER_CUBIC)
    cover = canvas.rng.uniform(0.35, 0.8)
    opacity = np.clip((blobs - cover) * 3.0, 0, 1)[..., None]
    opacity = opacity * canvas.domain.look.clouds
    sky += (canvas.colour('cloud') - sky) * opacity
    canvas.image[:] = np.clip(sky, 0, 255)
    canvas.label_ids[:] = LABEL_IDS['sky']


def draw_skyline(canvas: Canvas) -> None:
    """Draw far houses and trees along the horizon."""
    x, rng = -FAR, canvas.rng
    while x < FAR:
        width = rng.uniform(6.0, 22.0)
        surface = 'building' if rng.random() < 0.55 else 'vegetation'
        height = rng.uniform(*((8, 26) if surface == 'building' else (4, 11)))
        face = upright((x, FAR), (x + width, FAR), -1.0, height)
        if surface == 'vegetation':
            face[2:, 0] += (-0.25 * width, 0.25 * width)
        canvas.world(face, canvas.colour(surface), surface)
        x += width * rng.uniform(0.7, 1.3)


def draw_ground(canvas: Canvas, street: Street) -> None:
    """Draw terrain, crossing roads, sidewalks and the road."""
    # A steep view, as of an upright image, begins nearer than usual.
    near = min(_NEAR, 0.9 * canvas.camera.row_depth()[-1])
    z = depths(near, FAR, 24)
    wide = np.array((near, FAR))
    canvas.ground(
        ground_strip(-900.0, 900.0, wide), canvas.colour('terrain'), 'terrain'
    )
    _draw_patches(canvas, 'terrain', (-40.0, 40.0), 8)
    paving, asphalt = canvas.colour('sidewalk'), canvas.colour('road')
    curb = canvas.colour('curb')
    edge = street.half_road
    for side, width in (
        (-1.0, street.sidewalks[0]),
        (1.0, street.sidewalks[1]),
    ):
        outer = side * (edge + width)
        canvas.ground(ground_strip(side * edge, outer, z), paving, 'sidewalk')
        _draw_joints(canvas, (side * edge, outer), paving * 0.88)
        rim = ground_strip(side * edge, side * (edge + 0.25), z)
        canvas.ground(rim, curb, 'sidewalk')
    for near, far in street.crossings:
        across = ground_strip(-FAR, FAR, np.linspace(near, far, 3))
        canvas.ground(across, asphalt, 'road')
    canvas.ground(ground_strip(-edge, edge, z), asphalt, 'road')
    _draw_patches(canvas, 'road', (-edge, edge), 4)
    _draw_markings(canvas, street)
    if street.rails is not None:
        _draw_rails(canvas, street.rails, z)
    _draw_haze(canvas)


def _draw_patches(
    canvas: Canvas, surface: str, across: tuple[float, float], count: int
) -> None:
    """Draw irregular patches in other tones of the same surface."""
    for _ in range(canvas.rng.poisson(count)):
        width, length = canvas.rng.uniform((0.8, 2.0), (4.0, 12.0))
        width = min(width, 0.6 * (across[1] - across[0]))
        left = canvas.rng.uniform(across[0], across[1] - width)
        near = canvas.rng.uniform(4.0, 45.0)
        outline = ground_strip(
            left, left + width, np.linspace(near, near + length, 3)
        )
        outline[:, 0] += canvas.rng.uniform(-0.15, 0.15, 6) * width
        inside = np.clip(outline[:, 0], *across)
        outline[:, 0] = inside
        canvas.ground(outline, canvas.colour(surface))


def _draw_joints(
    canvas: Canvas, across: tuple[float, float], colour: np.ndarray
) -> None:
    """Draw the joints between the slabs of a sidewalk."""
    joints = [
        ground_strip(*across, np.array((z, z + 0.05 + 0.004 * z)))
        for z in np.arange(4.0, 28.0, 2.0)
    ]
    canvas.ground(np.stack(joints), colour)


def _draw_markings(canvas: Canvas, street: Street) -> None:
    """Draw edge lines, dashed lane lines, middle line and zebra crossings."""
    white = canvas.colour('marking')
    solid = depths(_NEAR, _MARKED, 16)
    middle = white
    if canvas.domain.statistics.yellow_lines:
        middle = canvas.colour('line_yellow')
    start = canvas.rng.uniform(0.0, 9.0)
    for x, kind in street.lines():
        if kind == 'dashed':
            dashes = [
                ground_strip(x - 0.07, x + 0.07, np.array((z, z + 3.0)))
                for z in np.arange(start - 6.0, _MARKED, 9.0)
            ]
            canvas.ground(np.stack(dashes), white)
        else:
            strip = ground_strip(x - 0.08, x + 0.08, solid)
            canvas.ground(strip, middle if kind == 'middle' else white)
    for near, _ in street.crossings:
        bars = np.arange(-street.half_road + 0.4, street.half_road - 0.5, 1.0)
        z = np.array((near - 4.0, near - 1.2))
        zebra = [ground_strip(x, x + 0.5, z) for x in bars]
        canvas.ground(np.stack(zebra), white)


def _draw_rails(
    canvas: Canvas, rails: tuple[float, float], z: np.ndarray
) -> None:
    """Draw a tram track, a class that no protocol evaluates."""
    canvas.ground(
        ground_strip(*rails, z), canvas.colour('road') * 0.85, 'rail track'
    )
    steel = canvas.colour('rail')
    middle = 0.5 * sum(rails)
    for x in (middle - 0.72, middle + 0.72):
        canvas.ground(ground_strip(x - 0.05, x + 0.05, z), steel)


def _draw_haze(canvas: Canvas) -> None:
    """Let the ground fade to the haze with distance, row by row."""
    look = canvas.domain.look
    share = 1 - np.exp(-canvas.camera.row_depth() / look.visibility)
    first = int(np.argmax(np.isfinite(canvas.camera.row_depth())))
    ground = canvas.image[first:].astype(np.float32)
    weight = share[first:, None, None].astype(np.float32)
    haze = np.array(look.haze_colour, np.float32)
    canvas.image[first:] = ground + (haze - ground) * weight


def draw_shadows(canvas: Canvas, street: Street) -> None:
    """Let the houses on the sun's side throw a shadow on the ground."""
    look, rng = canvas.domain.look, canvas.rng
    if look.shadow <= 0 or rng.random() < 0.35:
        return
    side = canvas.sun_side
    wall = side * street.setback(side)
    reach = rng.uniform(0.15, 0.9) * 2 * street.half_road
    z = np.repeat(depths(3.0, 90.0, 9), 2)[1:-1]
    tip = np.repeat(reach * rng.uniform(0.6, 1.15, 8), 2)
    outline = ground_strip(wall, wall, z)
    outline[len(z) :, 0] = (wall - side * tip)[::-1]
    canvas.shade(canvas.camera.project(outline), 1 - look.shadow)
