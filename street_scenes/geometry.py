# Copyright (c) mmuda authors.
"""Pinhole camera in a street and the solids that stand in it.

Street coordinates are metres: x to the right of the road's middle, y up from
the ground, z along the road from the camera. Points are arrays (..., 3).
"""

from dataclasses import dataclass

import numpy as np

_NEAREST = 0.8  # metres; nearer points are taken to be there


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera driving along the street.

    Attributes:
        width: Image width in pixels.
        height: Image height in pixels.
        focal: Focal length in pixels.
        horizon: Row of the horizon in pixels.
        altitude: Height above the ground in metres.
        offset: Place to the right of the road's middle in metres.
        yaw: Sideways drift of the street in metres per metre.
        bend: Sideways drift of the street in metres per square metre.
    """

    width: int
    height: int
    focal: float
    horizon: float
    altitude: float
    offset: float
    yaw: float
    bend: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project street points (..., 3) to pixels (..., 2)."""
        z = np.maximum(points[..., 2], _NEAREST)
        drift = self.yaw * z + self.bend * z * z - self.offset
        scale = self.focal / z
        pixels = np.empty((*z.shape, 2))
        pixels[..., 0] = 0.5 * self.width + (points[..., 0] + drift) * scale
        pixels[..., 1] = (
            self.horizon + (self.altitude - points[..., 1]) * scale
        )
        return pixels

    def row_depth(self) -> np.ndarray:
        """Return the depth of the ground in each row, inf above it (H,)."""
        below = np.arange(self.height) + 0.5 - self.horizon
        depth = np.full(self.height, np.inf)
        depth[below > 0] = self.focal * self.altitude / below[below > 0]
        return depth


def depths(nearest: float, farthest: float, count: int) -> np.ndarray:
    """Return depths whose rows in the image are evenly spaced (count,)."""
    return 1 / np.linspace(1 / nearest, 1 / farthest, count)


def ground_strip(left: float, right: float, z: np.ndarray) -> np.ndarray:
    """Return the outline of the ground between two x (2 * len(z), 3)."""
    near_to_far = np.stack(
        (np.full_like(z, left), np.zeros_like(z), z), axis=-1
    )
    far_to_near = np.stack(
        (np.full_like(z, right), np.zeros_like(z), z), axis=-1
    )[::-1]
    return np.concatenate((near_to_far, far_to_near))


def upright(
    start: tuple[float, float],
    end: tuple[float, float],
    bottom: float,
    top: float,
) -> np.ndarray:
    """Return an upright rectangle between two (x, z) places.

    Returns:
        Corners (4, 3): start bottom, end bottom, end top, start top.
    """
    return np.array(
        [
            (start[0], bottom, start[1]),
            (end[0], bottom, end[1]),
            (end[0], top, end[1]),
            (start[0], top, start[1]),
        ]
    )


def patches(face: np.ndarray, rectangles: np.ndarray) -> np.ndarray:
    """Cut rectangles out of a face.

    Args:
        face: Corners (4, 3) in the order of ``upright``.
        rectangles: (M, 4) as left, bottom, right, top, shares of the face.

    Returns:
        Corners (M, 4, 3).
    """
    rectangles = np.asarray(rectangles, float)
    u = rectangles[:, (0, 2, 2, 0), None]
    v = rectangles[:, (1, 1, 3, 3), None]
    low = face[0] + u * (face[1] - face[0])
    high = face[3] + u * (face[2] - face[3])
    return low + v * (high - low)


def grid(columns: int, rows: int, margin: tuple[float, float]) -> np.ndarray:
    """Return a grid of rectangles for ``patches`` (columns * rows, 4).

    Args:
        columns: Number of columns.
        rows: Number of rows.
        margin: Share of a cell left free on each side, across and up.
    """
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    column, row = column.ravel(), row.ravel()
    return np.stack(
        (
            (column + margin[0]) / columns,
            (row + margin[1]) / rows,
            (column + 1 - margin[0]) / columns,
            (row + 1 - margin[1]) / rows,
        ),
        axis=-1,
    )


@dataclass(frozen=True)
class Box:
    """A box whose top may be smaller than its bottom.

    Attributes:
        x: Middle of the box.
        z: Front of the box.
        width: Across the street.
        length: Along the street.
        bottom: Height of the bottom.
        top: Height of the top.
        inset: Metres that the top is smaller at each side, the front and
            the back.
    """

    x: float
    z: float
    width: float
    length: float
    bottom: float
    top: float
    inset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def faces(self) -> dict[str, np.ndarray]:
        """Return left, right, top and front, the order to draw them in."""
        half = 0.5 * self.width
        near, far = self.z, self.z + self.length
        bottom = upright((-half, near), (half, near), self.bottom, self.top)
        front = bottom + (self.x, 0.0, 0.0)
        back = front.copy()
        back[:, 2] = far
        side, ahead, behind = self.inset
        front[2:, 0] += (-side, side)
        back[2:, 0] += (-side, side)
        front[2:, 2] += ahead
        back[2:, 2] -= behind
        return {
            'left': np.array((back[0], front[0], front[3], back[3])),
            'right': np.array((front[1], back[1], back[2], front[2])),
            'top': np.array((front[3], front[2], back[2], back[3])),
            'front': front,
        }
