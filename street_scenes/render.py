# Copyright (c) mmuda authors.
"""From a domain, a seed and an index to an image and its labels."""

import zlib

import numpy as np

from mmuda.utils.errors import ConfigError
from street_scenes import (
    background,
    furniture,
    people,
    vehicles,
)
from street_scenes.canvas import CIRCLE, Canvas
from street_scenes.frontage import draw_frontage
from street_scenes.photograph import photograph
from street_scenes.presets import get_domain
from street_scenes.street_domains import Domain
from street_scenes.street_labels import LABEL_IDS, to_train_ids
from street_scenes.street_plan import (
    plan_camera,
    plan_street,
    plan_things,
)

_SMALLEST = 16
_DRAW = {
    'car': vehicles.draw_car,
    'truck': vehicles.draw_truck,
    'bus': vehicles.draw_bus,
    'train': vehicles.draw_train,
    'autorickshaw': vehicles.draw_autorickshaw,
    'person': people.draw_person,
    'bicycle': people.draw_bicycle,
    'cyclist': people.draw_cyclist,
    'motorcycle': people.draw_motorcycle,
    'motorcyclist': people.draw_motorcyclist,
    'lamp': furniture.draw_lamp,
    'traffic light': furniture.draw_traffic_light,
    'traffic sign': furniture.draw_traffic_sign,
    'billboard': furniture.draw_billboard,
    'tree': furniture.draw_tree,
    'static': furniture.draw_static,
}


def render_scene(
    domain: Domain | str, seed: int, index: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Render one street scene.

    The same arguments give the same arrays, whatever was rendered before.

    Args:
        domain: A domain or the name of a built-in one.
        seed: Seed of the data set, not negative.
        index: Number of the scene in the data set, not negative.
        size: Width and height in pixels, at least 16 each.

    Returns:
        RGB image uint8 (H, W, 3) and train ids uint8 (H, W), where 255 is
        what no protocol evaluates.

    Raises:
        ConfigError: The domain is unknown or the size, seed or index bad.
    """
    image, label_ids = render_label_ids(domain, seed, index, size)
    return image, to_train_ids(label_ids)


def render_label_ids(
    domain: Domain | str, seed: int, index: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Render as ``render_scene`` does, with label ids (H, W).

    They are those of ``labels.py``: of Cityscapes, and own ones above.
    """
    domain = get_domain(domain)
    check_scene(seed, index, size)
    name = zlib.crc32(domain.name.encode())
    rng = np.random.default_rng((seed, index, name))
    street = plan_street(domain.statistics, rng)
    camera = plan_camera(domain.statistics, street, size, rng)
    canvas = Canvas(camera, domain, rng)
    background.draw_sky(canvas)
    background.draw_skyline(canvas)
    background.draw_ground(canvas, street)
    draw_frontage(canvas, street)
    background.draw_shadows(canvas, street)
    for thing in plan_things(domain.statistics, street, rng):
        _DRAW[thing.kind](canvas, thing)
    _draw_own_car(canvas)
    image = photograph(canvas.image, canvas.label_ids, domain.look, rng)
    return image, canvas.label_ids


def check_scene(seed: int, index: int, size: tuple[int, int]) -> None:
    """Refuse what no scene can be rendered from.

    Raises:
        ConfigError: Width or height is too small, seed or index negative.
    """
    if min(size) < _SMALLEST:
        raise ConfigError(
            f'street scene size {size[0]}x{size[1]} is too small; '
            f'use {_SMALLEST} pixels or more each way'
        )
    if seed < 0 or index < 0:
        raise ConfigError(
            f'seed {seed} and index {index} of a street scene '
            'must not be negative'
        )


def _draw_own_car(canvas: Canvas) -> None:
    """Draw the bonnet and the border that the lens correction leaves."""
    statistics = canvas.domain.statistics
    height, width = canvas.label_ids.shape
    if statistics.bonnet:
        middle = (0.5 * width, 1.08 * height)
        bonnet = CIRCLE * (0.62 * width, 0.17 * height) + middle
        colour = canvas.colour('bonnet')
        canvas.fill(bonnet, colour, 'ego vehicle')
        canvas.fill(bonnet + (0, 0.05 * height), colour * 1.5)
    border = statistics.border
    if border:
        inside = np.s_[border:-border, border:-border]
        kept = canvas.label_ids[inside].copy()
        canvas.label_ids[:] = LABEL_IDS['out of roi']
        canvas.label_ids[inside] = kept
