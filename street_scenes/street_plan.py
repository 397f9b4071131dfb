# Copyright (c) mmuda authors.
"""What stands where in a street: drawn at random, no pixels yet."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from street_scenes.geometry import Camera
from street_scenes.street_domains import SceneStatistics

SIDES = (-1.0, 1.0)
_PARKING = 2.2  # metres beside the lanes where cars may park
_MARGIN = 0.3  # metres beside the lanes where they may not
# Room that a vehicle takes of its lane, in the order of finding it.
_LENGTHS = {
    'bus': 14.0,
    'truck': 12.0,
    'autorickshaw': 4.5,
    'motorcyclist': 4.0,
    'car': 6.5,
}


@dataclass(frozen=True)
class Thing:
    """Something that stands in the street.

    Attributes:
        kind: Which drawing function it needs.
        x: Metres to the right of the road's middle.
        z: Metres ahead.
        oncoming: Whether its front is seen.
    """

    kind: str
    x: float
    z: float
    oncoming: bool = False


@dataclass(frozen=True)
class Street:
    """Widths along the road, in metres.

    Attributes:
        lanes: Number of lanes, the left half of them oncoming.
        lane_width: Width of a lane.
        sidewalks: Width of the left and right sidewalk.
        parking: Width of the places to park beside the lanes.
        verges: Width of the left and right strip of terrain.
        crossings: Nearest and farthest z of each crossing road.
        rails: Left and right x of a tram track.
    """

    lanes: int
    lane_width: float
    sidewalks: tuple[float, float]
    parking: float
    verges: tuple[float, float]
    crossings: tuple[tuple[float, float], ...]
    rails: tuple[float, float] | None

    @property
    def half_lanes(self) -> float:
        """Half the width of all lanes."""
        return 0.5 * self.lanes * self.lane_width

    @property
    def half_road(self) -> float:
        """Half the width of lanes and places to park."""
        return self.half_lanes + self.parking

    def sidewalk(self, side: float) -> float:
        """Width of the sidewalk at side -1 or 1."""
        return self.sidewalks[int(side > 0)]

    def setback(self, side: float) -> float:
        """Distance of the house fronts from the road's middle."""
        near = self.half_road + self.sidewalk(side)
        return near + self.verges[int(side > 0)]

    def lane(self, number: int) -> float:
        """Return the x of the middle of a lane, 0 is the leftmost."""
        return (number + 0.5) * self.lane_width - self.half_lanes

    def lines(self) -> Iterator[tuple[float, str]]:
        """Yield x and kind (solid, dashed or middle) of the lane lines."""
        for number in range(self.lanes + 1):
            kind = 'solid' if number in (0, self.lanes) else 'dashed'
            kind = 'middle' if number == self.lanes // 2 else kind
            yield number * self.lane_width - self.half_lanes, kind

    def crossed(self, z: float, length: float = 0.0) -> bool:
        """Whether z to z + length touches a crossing road."""
        return any(
            z < far and z + length > near for near, far in self.crossings
        )


def plan_street(
    statistics: SceneStatistics, rng: np.random.Generator
) -> Street:
    """Draw the widths of a street."""
    lanes = int(rng.integers(*statistics.lanes, endpoint=True))
    lane_width = rng.uniform(*statistics.lane_width)
    crossings = ()
    if rng.random() < statistics.crossing:
        near = rng.uniform(16.0, 50.0)
        crossings = ((near, near + rng.uniform(9.0, 14.0)),)
    rails = None
    if rng.random() < statistics.counts['train']:
        left = -0.5 * lanes * lane_width
        rails = (left, left + lane_width)
    verges = [
        rng.uniform(1.0, 5.0) if rng.random() < statistics.verge else 0.0
        for _ in SIDES
    ]
    return Street(
        lanes=lanes,
        lane_width=lane_width,
        sidewalks=tuple(rng.uniform(*statistics.sidewalk, 2)),
        parking=_PARKING if rng.random() < statistics.parking else _MARGIN,
        verges=tuple(verges),
        crossings=crossings,
        rails=rails,
    )


def plan_camera(
    statistics: SceneStatistics,
    street: Street,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Camera:
    """Put the camera on one of the right lanes; size is (width, height)."""
    width, height = size
    own_lane = int(rng.integers(street.lanes // 2, street.lanes))
    return Camera(
        width=width,
        height=height,
        focal=width * rng.uniform(*statistics.focal),
        horizon=height * rng.uniform(*statistics.horizon),
        altitude=rng.uniform(*statistics.camera_height),
        offset=street.lane(own_lane) + rng.normal(0.0, 0.3),
        yaw=rng.normal(0.0, 0.04),
        bend=rng.normal(0.0, statistics.bend),
    )


def plan_things(
    statistics: SceneStatistics, street: Street, rng: np.random.Generator
) -> list[Thing]:
    """Draw what stands in the street, the farthest first."""
    things = [
        *_moving(statistics, street, rng),
        *_parked(statistics, street, rng),
        *_people(statistics, street, rng),
        *_furniture(statistics, street, rng),
    ]
    return sorted(things, key=lambda thing: -thing.z)


def _distance(
    rng: np.random.Generator, nearest: float, farthest: float = 70.0
) -> float:
    """Draw a distance; near ones are likelier."""
    return nearest + (farthest - nearest) * rng.random() ** 1.7


def _moving(
    statistics: SceneStatistics, street: Street, rng: np.random.Generator
) -> Iterator[Thing]:
    """Put vehicles on the lanes without overlap."""
    taken: list[tuple[int, float, float]] = []
    if street.rails is not None:
        yield Thing('train', street.lane(0), rng.uniform(12.0, 40.0), True)
        taken.append((0, 0.0, 200.0))
    for kind, length in _LENGTHS.items():
        for _ in range(rng.poisson(statistics.counts.get(kind, 0.0))):
            lane = int(rng.integers(street.lanes))
            z = _distance(rng, 13.0 if length > 10 else 8.0)
            if any(
                lane == other and z < end and z + length > start
                for other, start, end in taken
            ):
                continue
            taken.append((lane, z, z + length))
            x = street.lane(lane) + rng.normal(0.0, 0.15)
            yield Thing(kind, x, z, lane < street.lanes // 2)


def _parked(
    statistics: SceneStatistics, street: Street, rng: np.random.Generator
) -> Iterator[Thing]:
    """Put cars beside the lanes and two-wheelers on the sidewalks."""
    for side in SIDES if street.parking > _MARGIN else ():
        for z in np.arange(7.0, 75.0, 6.2) + rng.uniform(0.0, 5.0):
            taken = rng.random() < statistics.parked
            if taken and not street.crossed(z - 3.0, 10.0):
                x = side * (street.half_road - 1.05)
                yield Thing('car', x, z + rng.normal(0.0, 0.3), side < 0)
    for kind in ('bicycle', 'motorcycle'):
        for _ in range(rng.poisson(statistics.counts[kind])):
            side = rng.choice(SIDES)
            across = rng.uniform(0.7, street.sidewalk(side))
            x = side * (street.half_road + across)
            yield Thing(kind, x, _distance(rng, 8.0, 40.0))


def _people(
    statistics: SceneStatistics, street: Street, rng: np.random.Generator
) -> Iterator[Thing]:
    """Put people on sidewalks and crossings, and cyclists at the edge."""
    for _ in range(rng.poisson(statistics.counts['person'])):
        side, z = rng.choice(SIDES), _distance(rng, 8.0, 50.0)
        x = street.half_road + rng.uniform(0.4, street.sidewalk(side))
        x *= side
        if rng.random() < 0.2:
            x = rng.uniform(-1.0, 1.0) * street.half_road
            z = street.crossings[0][0] - 2.5 if street.crossings else z + 6.0
        yield Thing('person', x, z)
    for _ in range(rng.poisson(statistics.counts['cyclist'])):
        side = rng.choice(SIDES)
        x = side * (street.half_lanes + rng.uniform(-0.9, 0.6))
        yield Thing('cyclist', x, _distance(rng, 8.0, 40.0), side < 0)


def _furniture(
    statistics: SceneStatistics, street: Street, rng: np.random.Generator
) -> Iterator[Thing]:
    """Put up lamps, trees, traffic lights, signs, billboards and bins."""
    for side in SIDES:
        kerb = street.half_road + 0.6
        spacing = statistics.lamp_spacing
        for z in np.arange(rng.uniform(7.0, 7.0 + spacing), 110.0, spacing):
            yield Thing('lamp', side * kerb, z)
        row = kerb + rng.uniform(0.3, 0.8 * street.sidewalk(side))
        for z in np.arange(rng.uniform(9.0, 16.0), 100.0, 8.0):
            if rng.random() < statistics.trees and not street.crossed(z):
                x = side * (row + rng.normal(0.0, 0.2))
                yield Thing('tree', x, z + rng.normal(0.0, 1.0))
    for kind in ('traffic light', 'traffic sign', 'billboard', 'static'):
        for _ in range(rng.poisson(statistics.counts.get(kind, 0.0))):
            side, z = rng.choice(SIDES), _distance(rng, 9.0, 45.0)
            if kind == 'traffic light' and street.crossings:
                z = street.crossings[0][0] - 5.0 + rng.normal(0.0, 0.5)
            across = rng.uniform(0.4, 0.5 + 0.4 * street.sidewalk(side))
            across += (kind == 'billboard') * street.sidewalk(side)
            yield Thing(kind, side * (street.half_road + across), z)
