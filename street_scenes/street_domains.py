# Copyright (c) mmuda authors.
"""What the domains look like and what stands in their streets.

A domain is data only: colours of things, a ``Look`` (light, air, lens and
sensor) and ``SceneStatistics`` (camera and what is found how often). A new
one is made with ``dataclasses.replace`` in a few lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass

RGB = tuple[int, int, int]
Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """Light, air, lens and sensor of a domain.

    Attributes:
        haze_colour: Colour that far things fade to, RGB.
        visibility: Distance in metres at which 63 % of a thing is haze.
        sun: Brightness difference of lit and unlit faces, 0 to 1.
        shadow: Share of light missing in cast shadows, 0 to 1.
        texture: Strength of the surface texture, 1 is the tables' own.
        grain: Size of the texture's coarse part in pixels at width 320.
        saturation: Factor on the distance to grey.
        contrast: Factor on the distance to mid grey.
        brightness: Range of the random exposure factor of an image.
        cast: Gains of the red, green and blue channel.
        blur: Standard deviation in pixels at width 320.
        noise: Standard deviation of the sensor noise in grey levels.
        vignette: Share of light missing in the corners.
        jitter: Spread of the colour of one thing, as share of it.
        clouds: Opacity of clouds, 0 to 1.
    """

    haze_colour: RGB
    visibility: float
    sun: float
    shadow: float
    texture: float
    grain: float
    saturation: float
    contrast: float
    brightness: Range
    cast: tuple[float, float, float]
    blur: float
    noise: float
    vignette: float
    jitter: float
    clouds: float


@dataclass(frozen=True)
class SceneStatistics:
    """Camera and what is found in a street how often.

    Attributes:
        camera_height: Range in metres.
        horizon: Range of the horizon's row as share of the image height.
        focal: Range of the focal length as share of the image width.
        bend: Spread of the road's sideways drift in metres per square metre.
        lanes: Fewest and most lanes of the whole road.
        lane_width: Range in metres.
        sidewalk: Range of the sidewalk's width in metres.
        verge: Probability of a strip of terrain beside a sidewalk.
        frontage: Weight of each kind of street side: building, wall, fence,
            hedge, open.
        storeys: Fewest and most storeys of a building.
        crossing: Probability of a crossing road.
        parking: Probability that there are places to park.
        parked: Probability that a place to park is taken.
        trees: Probability that a place for a tree is taken.
        lamp_spacing: Metres from one street lamp to the next.
        counts: Mean number an image of the things listed in ``street_plan``;
            ``autorickshaw`` and ``billboard`` may be left out.
        bonnet: Whether the own bonnet is seen.
        border: Width of the border out of the region of interest in pixels.
        yellow_lines: Whether the middle of the road is marked in yellow.
    """

    camera_height: Range
    horizon: Range
    focal: Range
    bend: float
    lanes: tuple[int, int]
    lane_width: Range
    sidewalk: Range
    verge: float
    frontage: Mapping[str, float]
    storeys: tuple[int, int]
    crossing: float
    parking: float
    parked: float
    trees: float
    lamp_spacing: float
    counts: Mapping[str, float]
    bonnet: bool = False
    border: int = 0
    yellow_lines: bool = False


@dataclass(frozen=True)
class Domain:
    """Colours, look and scene statistics of one data set.

    Attributes:
        name: Also part of the random seed.
        colours: RGB choices of each kind of surface.
        look: Light, air, lens and sensor.
        statistics: What is found how often.
    """

    name: str
    colours: Mapping[str, tuple[RGB, ...]]
    look: Look
    statistics: SceneStatistics
