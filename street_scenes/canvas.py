# Copyright (c) mmuda authors.
"""Picture and label map that are drawn on together."""

import math

import cv2
import numpy as np

from street_scenes.geometry import Box, Camera
from street_scenes.street_domains import Domain
from street_scenes.street_labels import LABEL_IDS

_SHIFT = 3  # fractional bits of the pixel coordinates given to OpenCV
_TURN = np.linspace(0, 2 * np.pi, 14, endpoint=False)
CIRCLE = np.stack((np.cos(_TURN), np.sin(_TURN)), axis=-1)


def _fixed_point(pixels: np.ndarray) -> np.ndarray:
    """Convert polygons (N, 2) or (M, N, 2) to int32 (M, N, 2) for OpenCV."""
    points = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
    return points.reshape(-1, *points.shape[-2:])


class Canvas:
    """RGB image (H, W, 3) and Cityscapes label ids (H, W), both uint8.

    Args:
        camera: Where the street is seen from.
        domain: Colours and air.
        rng: All randomness of the drawing.
    """

    def __init__(
        self, camera: Camera, domain: Domain, rng: np.random.Generator
    ) -> None:
        self.camera = camera
        self.domain = domain
        self.rng = rng
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.label_ids = np.zeros((camera.height, camera.width), np.uint8)
        self.sun_side = 1.0 if rng.random() < 0.5 else -1.0
        self._haze = np.array(domain.look.haze_colour, float)

    def colour(self, surface: str) -> np.ndarray:
        """Draw a random colour of a surface, float RGB (3,)."""
        choices = self.domain.colours[surface]
        base = np.array(choices[self.rng.integers(len(choices))], float)
        spread = self.domain.look.jitter
        tint = 0.2 * self.rng.standard_normal(3)
        return base * (1 + spread * (self.rng.uniform(-1.0, 1.0) + tint))

    def lit(self, side: float) -> float:
        """Return the brightness factor of a face that looks to +x or -x."""
        return 1 + 0.5 * self.domain.look.sun * side * self.sun_side

    def fill(
        self,
        pixels: np.ndarray,
        colour: np.ndarray,
        label: str | None = None,
        depth: float = 0.0,
    ) -> bool:
        """Fill polygons given in pixels.

        Args:
            pixels: One polygon (N, 2) or several (M, N, 2); where two of
                them overlap nothing is filled.
            colour: RGB.
            label: Class name; by default the labels stay as they are.
            depth: Distance in metres, for the haze.

        Returns:
            Whether they are within the image.
        """
        polygons = _fixed_point(pixels)
        if not self._sees(polygons):
            return False
        haze = 1 - math.exp(-depth / self.domain.look.visibility)
        shown = colour + (self._haze - colour) * haze
        rgb = [min(max(value, 0.0), 255.0) for value in shown.tolist()]
        cv2.fillPoly(self.image, polygons, rgb, cv2.LINE_AA, _SHIFT)
        if label is not None:
            value = LABEL_IDS[label]
            cv2.fillPoly(self.label_ids, polygons, value, cv2.LINE_8, _SHIFT)
        return True

    def _sees(self, polygons: np.ndarray) -> bool:
        """Whether the bounds of fixed-point polygons touch the image."""
        left, top, width, height = cv2.boundingRect(polygons.reshape(-1, 2))
        return (
            left < self.camera.width << _SHIFT
            and top < self.camera.height << _SHIFT
            and left + width > 0
            and top + height > 0
        )

    def label(self, pixels: np.ndarray, label: str) -> None:
        """Label polygons (N, 2) or (M, N, 2) and leave the image alone."""
        value, polygons = LABEL_IDS[label], _fixed_point(pixels)
        cv2.fillPoly(self.label_ids, polygons, value, cv2.LINE_8, _SHIFT)

    def world(
        self, points: np.ndarray, colour: np.ndarray, label: str | None = None
    ) -> bool:
        """Fill polygons (N, 3) or (M, N, 3) given in street coordinates."""
        z = points[..., 2]
        depth = float(z.sum()) / z.size
        return self.fill(self.camera.project(points), colour, label, depth)

    def ground(
        self, points: np.ndarray, colour: np.ndarray, label: str | None = None
    ) -> None:
        """Fill polygons (N, 3) or (M, N, 3) that get their haze later."""
        self.fill(self.camera.project(points), colour, label)

    def box(self, box: Box, colour: np.ndarray, label: str) -> dict:
        """Draw the seen faces of a box.

        Returns:
            The seen faces, name to corners (4, 3).
        """
        shade = {'left': self.lit(-1.0) - 0.1, 'right': self.lit(1.0) - 0.1}
        shade |= {'top': 1.12, 'front': 0.98}
        faces = box.faces()
        corners = self.camera.project(np.stack(list(faces.values())))
        across = corners[:, 1] - corners[:, 0]
        up = corners[:, 3] - corners[:, 0]
        # Corners run counter-clockwise, as seen from outside.
        turned = across[:, 0] * up[:, 1] < across[:, 1] * up[:, 0]
        seen = {}
        for name, pixels, visible in zip(faces, corners, turned, strict=True):
            if visible:
                self.fill(pixels, colour * shade[name], label, box.z)
                seen[name] = faces[name]
        return seen

    def shade(self, pixels: np.ndarray, light: float) -> None:
        """Darken a polygon (N, 2) in pixels to a share of its light."""
        limit = (self.camera.width, self.camera.height)
        low = np.clip(np.floor(pixels.min(axis=0)) - 1, 0, limit).astype(int)
        high = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, limit).astype(int)
        if (high <= low).any():
            return
        mask = np.zeros((high - low)[::-1], np.float32)
        polygons = _fixed_point(pixels - low)
        cv2.fillPoly(mask, polygons, 1.0, cv2.LINE_8, _SHIFT)
        factor = 1 - (1 - light) * mask[..., None]
        area = np.s_[low[1] : high[1], low[0] : high[0]]
        self.image[area] = (self.image[area] * factor).astype(np.uint8)


class Board:
    """A flat thing that faces the camera, drawn in its own metres.

    Args:
        canvas: What to draw on.
        x: Where it stands, street coordinate.
        z: Where it stands, street coordinate.
        scale: Size factor.
        turn: Factor on widths; below 1 it is seen from an angle, negative
            values mirror it.
    """

    def __init__(
        self,
        canvas: Canvas,
        x: float,
        z: float,
        scale: float = 1.0,
        turn: float = 1.0,
    ) -> None:
        self.canvas = canvas
        self.depth = z
        foot = canvas.camera.project(np.array((x, 0.0, z)))
        size = canvas.camera.focal / max(z, 1.0) * scale
        self._foot = foot
        self._size = np.array((size * turn, -size))

    def polygon(
        self,
        points: object,
        colour: np.ndarray,
        label: str | None = None,
    ) -> None:
        """Fill a polygon (N, 2) or several of (right, up) in metres."""
        pixels = self._foot + np.asarray(points, float) * self._size
        self.canvas.fill(pixels, colour, label, self.depth)

    def mark(self, points: object, label: str) -> None:
        """Label a polygon of (right, up) in metres, leave the image alone."""
        pixels = self._foot + np.asarray(points, float) * self._size
        self.canvas.label(pixels, label)

    def bar(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        width: float,
        colour: np.ndarray,
        label: str | None = None,
    ) -> None:
        """Fill a bar from start to end."""
        a, b = np.array(start, float), np.array(end, float)
        across, up = b - a
        half = 0.5 * width / max(math.hypot(across, up), 1e-6)
        side = half * np.array((-up, across))
        self.polygon((a - side, b - side, b + side, a + side), colour, label)

    def disc(
        self,
        middle: tuple[float, float],
        radius: float,
        colour: np.ndarray,
        label: str | None = None,
    ) -> None:
        """Fill a disc."""
        self.polygon(CIRCLE * radius + middle, colour, label)
