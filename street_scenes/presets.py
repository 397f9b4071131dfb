# Copyright (c) mmuda authors.
"""The built-in domains: three rendered looking ones and four of cameras."""

from dataclasses import replace

from mmuda.utils.errors import ConfigError
from street_scenes import palettes
from street_scenes.street_domains import Domain, Look, SceneStatistics

GTA5 = Domain(
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
        frontage=dict(building=6.0, wall=1.6, fence=1.8, hedge=1.2, open=1.2),
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

SYNTHIA = Domain(
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
        frontage=dict(building=7.0, wall=1.2, fence=1.6, hedge=1.0, open=1.0),
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

# Path traced: near to a camera's picture in light and colours, without its
# noise and blur; streets full of cars and people.
SYNSCAPES = Domain(
    name='synscapes',
    colours=palettes.CITYSCAPES,
    look=replace(
        GTA5.look,
        haze_colour=(212, 216, 222),
        visibility=300.0,
        sun=0.22,
        shadow=0.4,
        texture=0.9,
        saturation=0.98,
        contrast=0.96,
        brightness=(0.82, 1.12),
        cast=(1.02, 1.0, 1.0),
        noise=1.2,
        jitter=0.18,
    ),
    statistics=replace(
        GTA5.statistics,
        camera_height=(1.15, 1.3),
        focal=(1.05, 1.15),
        frontage=dict(building=7.0, wall=1.4, fence=1.6, hedge=1.0, open=1.0),
        storeys=(3, 8),
        parked=0.55,
        counts=dict(GTA5.statistics.counts, car=5.0, person=8.0, bicycle=1.0),
        yellow_lines=False,
    ),
)

CITYSCAPES = Domain(
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
        frontage=dict(building=8.0, wall=1.2, fence=1.4, hedge=1.4, open=1.0),
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

# Dust and hard light, narrow sidewalks, low houses, walls, much open ground,
# and more on two and three wheels than on four.
IDD = Domain(
    name='idd',
    colours=palettes.IDD,
    look=Look(
        haze_colour=(214, 200, 174),
        visibility=170.0,
        sun=0.24,
        shadow=0.36,
        texture=1.35,
        grain=4.0,
        saturation=0.86,
        contrast=0.9,
        brightness=(0.96, 1.22),
        cast=(1.03, 1.0, 0.92),
        blur=0.35,
        noise=3.0,
        vignette=0.1,
        jitter=0.2,
        clouds=0.15,
    ),
    statistics=SceneStatistics(
        camera_height=(1.3, 1.7),
        horizon=(0.4, 0.5),
        focal=(0.9, 1.05),
        bend=0.0015,
        lanes=(2, 3),
        lane_width=(2.8, 3.5),
        sidewalk=(1.2, 2.6),
        verge=0.85,
        frontage=dict(building=5.0, wall=2.6, fence=1.0, hedge=1.6, open=3.0),
        storeys=(1, 4),
        crossing=0.3,
        parking=0.55,
        parked=0.45,
        trees=0.36,
        lamp_spacing=26.0,
        counts={
            'car': 3.0,
            'truck': 0.7,
            'bus': 0.5,
            'train': 0.08,
            'autorickshaw': 1.8,
            'motorcycle': 1.2,
            'bicycle': 0.6,
            'cyclist': 0.6,
            'motorcyclist': 2.6,
            'person': 6.0,
            'traffic light': 0.5,
            'traffic sign': 1.4,
            'billboard': 1.6,
            'static': 1.4,
        },
    ),
)

# Anywhere in the world, with any camera, at any hour.
MAPILLARY = Domain(
    name='mapillary',
    colours=palettes.MAPILLARY,
    look=Look(
        haze_colour=(190, 204, 222),
        visibility=330.0,
        sun=0.3,
        shadow=0.44,
        texture=0.9,
        grain=2.5,
        saturation=1.04,
        contrast=1.04,
        brightness=(0.52, 1.3),
        cast=(0.96, 0.99, 1.08),
        blur=0.3,
        noise=2.2,
        vignette=0.32,
        jitter=0.24,
        clouds=0.9,
    ),
    statistics=SceneStatistics(
        camera_height=(1.1, 2.4),
        horizon=(0.36, 0.54),
        focal=(0.72, 1.2),
        bend=0.002,
        lanes=(2, 4),
        lane_width=(2.9, 3.8),
        sidewalk=(1.8, 6.0),
        verge=0.7,
        frontage=dict(building=5.0, wall=1.2, fence=1.6, hedge=2.2, open=2.2),
        storeys=(1, 7),
        crossing=0.45,
        parking=0.5,
        parked=0.45,
        trees=0.42,
        lamp_spacing=24.0,
        counts={
            'car': 3.2,
            'truck': 0.45,
            'bus': 0.35,
            'train': 0.15,
            'autorickshaw': 0.15,
            'motorcycle': 0.6,
            'bicycle': 0.9,
            'cyclist': 0.8,
            'motorcyclist': 0.5,
            'person': 4.0,
            'traffic light': 1.4,
            'traffic sign': 3.0,
            'billboard': 0.7,
            'static': 1.0,
        },
        yellow_lines=True,
    ),
)

# A camera behind the windscreen in American streets: wide roads, yellow
# lines, low houses, the bonnet in view.
BDD100K = Domain(
    name='bdd100k',
    colours=palettes.GTA5,
    look=replace(
        CITYSCAPES.look,
        haze_colour=(198, 206, 216),
        visibility=280.0,
        sun=0.26,
        saturation=0.82,
        contrast=0.98,
        brightness=(0.7, 1.2),
        cast=(0.98, 1.0, 1.05),
        blur=0.4,
        vignette=0.28,
    ),
    statistics=replace(
        CITYSCAPES.statistics,
        horizon=(0.44, 0.54),
        focal=(0.85, 0.98),
        lanes=(2, 4),
        lane_width=(3.3, 3.8),
        storeys=(1, 6),
        counts=dict(CITYSCAPES.statistics.counts, car=4.5, truck=0.6),
        border=0,
        yellow_lines=True,
    ),
)

DOMAINS = {
    domain.name: domain
    for domain in (
        GTA5,
        SYNTHIA,
        SYNSCAPES,
        CITYSCAPES,
        IDD,
        MAPILLARY,
        BDD100K,
    )
}


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
