# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The built-in domains: two rendered looking ones and a camera looking one."""

from mmuda.datasets.street_scenes import palettes
from mmuda.datasets.street_scenes.domains import (
    Domain,
    Look,
    SceneStatistics,
)
from mmuda.utils.errors import ConfigError

_CITYSCAPES = Domain(
    name='cityscapes',
    colours=palettes.CITYSCAPES,
    look=Look(
        haze_colour=(204, 210, 208),
        visibility=240.0,
        sun=0.14,
        shadow=0.34,
        texture=1.1,
        grain=5.0,
        saturation=0.9,
        contrast=0.88,
        brightness=(0.88, 1.16),
        cast=(0.95, 1.03, 0.96),
        blur=0.5,
        noise=3.5,
        vignette=0.22,
        jitter=0.14,
        clouds=0.5,
    ),
    statistics=SceneStatistics(
        camera_height=(1.2, 1.35),
        horizon=(0.4, 0.46),
        focal=(0.98, 1.1),
        bend=0.0012,
        lanes=(2, 3),
        lane_width=(3.0, 3.5),
        sidewalk=(2.5, 5.5),
        verge=0.5,
        frontage={
            'building': 8.0,
            'wall': 1.2,
            'fence': 1.4,
            'hedge': 1.4,
            'open': 1.0,
        },
        storeys=(3, 6),
        crossing=0.4,
        parking=0.65,
        parked=0.6,
        trees=0.42,
        lamp_spacing=24.0,
        counts={
            'car': 3.0,
            'truck': 0.25,
            'bus': 0.22,
            'train': 0.18,
            'motorcycle': 0.35,
            'bicycle': 1.2,
            'cyclist': 1.1,
            'motorcyclist': 0.25,
            'person': 5.0,
            'traffic light': 1.6,
            'traffic sign': 3.0,
            'static': 1.0,
        },
        bonnet=True,
        border=1,
    ),
)

_GTA5 = Domain(
    name='gta5',
    colours=palettes.GTA5,
    look=Look(
        haze_colour=(196, 214, 232),
        visibility=420.0,
        sun=0.34,
        shadow=0.5,
        texture=0.75,
        grain=3.0,
        saturation=1.18,
        contrast=1.12,
        brightness=(0.92, 1.12),
        cast=(1.04, 1.0, 0.95),
        blur=0.0,
        noise=0.8,
        vignette=0.0,
        jitter=0.1,
        clouds=0.75,
    ),
    statistics=SceneStatistics(
        camera_height=(1.15, 1.5),
        horizon=(0.42, 0.52),
        focal=(0.85, 1.0),
        bend=0.0015,
        lanes=(2, 4),
        lane_width=(3.3, 3.8),
        sidewalk=(3.0, 6.5),
        verge=0.6,
        frontage={
            'building': 6.0,
            'wall': 1.6,
            'fence': 1.8,
            'hedge': 1.2,
            'open': 1.2,
        },
        storeys=(1, 8),
        crossing=0.4,
        parking=0.4,
        parked=0.4,
        trees=0.3,
        lamp_spacing=28.0,
        counts={
            'car': 4.0,
            'truck': 0.5,
            'bus': 0.3,
            'train': 0.15,
            'motorcycle': 0.4,
            'bicycle': 0.5,
            'cyclist': 0.6,
            'motorcyclist': 0.4,
            'person': 4.0,
            'traffic light': 1.8,
            'traffic sign': 2.2,
            'static': 1.2,
        },
        yellow_lines=True,
    ),
)

_SYNTHIA = Domain(
    name='synthia',
    colours=palettes.SYNTHIA,
    look=Look(
        haze_colour=(190, 198, 210),
        visibility=300.0,
        sun=0.26,
        shadow=0.42,
        texture=1.0,
        grain=2.0,
        saturation=1.06,
        contrast=1.0,
        brightness=(0.75, 1.05),
        cast=(1.0, 0.98, 1.05),
        blur=0.25,
        noise=1.6,
        vignette=0.0,
        jitter=0.16,
        clouds=0.6,
    ),
    statistics=SceneStatistics(
        camera_height=(1.8, 3.2),
        horizon=(0.3, 0.42),
        focal=(0.78, 0.95),
        bend=0.001,
        lanes=(2, 4),
        lane_width=(3.2, 3.7),
        sidewalk=(3.0, 6.0),
        verge=0.5,
        frontage={
            'building': 7.0,
            'wall': 1.2,
            'fence': 1.6,
            'hedge': 1.0,
            'open': 1.0,
        },
        storeys=(2, 7),
        crossing=0.5,
        parking=0.5,
        parked=0.45,
        trees=0.36,
        lamp_spacing=20.0,
        counts={
            'car': 3.5,
            'truck': 0.2,
            'bus': 0.4,
            'train': 0.15,
            'motorcycle': 0.6,
            'bicycle': 0.9,
            'cyclist': 1.0,
            'motorcyclist': 0.5,
            'person': 9.0,
            'traffic light': 1.8,
            'traffic sign': 2.4,
            'static': 1.0,
        },
    ),
)

DOMAINS = {domain.name: domain for domain in (_GTA5, _SYNTHIA, _CITYSCAPES)}


def get_domain(domain: Domain | str) -> Domain:
    """Return the built-in domain of that name, or the domain passed in.

    Raises:
        ConfigError: There is no domain of that name.
    """
    if isinstance(domain, Domain):
        return domain
    if domain not in DOMAINS:
        raise ConfigError(
            f'unknown street scene domain {domain!r}; '
            f'choose one of {", ".join(DOMAINS)}'
        )
    return DOMAINS[domain]
