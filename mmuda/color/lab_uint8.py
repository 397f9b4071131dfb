# Copyright (c) mmuda authors.
"""Images in the Lab colours of other images, fast on one core of the CPU.

The conversions are those of scikit-image: sRGB of IEC 61966-2-1, and CIE Lab
for the white point D65 of the 2 degree observer. They run in single precision
by OpenCV's vectorised functions on strips that stay in the cache.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

# Rows X, Y and Z of linear sRGB, each divided by its value for white.
_WHITE = np.array([0.95047, 1.0, 1.08883])
_RGB_TO_XYZ = (
    np.array(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ]
    )
    / _WHITE[:, None]
)
# Images are in OpenCV's order of channels.
_BGR_TO_XYZ = _RGB_TO_XYZ[:, ::-1]
_XYZ_TO_BGR = np.linalg.inv(_BGR_TO_XYZ)

# Lab of the roots of X, Y and Z, the last column added.
_ROOTS_TO_LAB = np.array(
    [[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]], np.float64
)
_LAB_TO_ROOTS = np.linalg.inv(_ROOTS_TO_LAB[:, :3])

# Where a line takes the place of Lab's cube root, on both sides of it, and of
# sRGB's power, and the slopes of these lines.
_EPSILON, _ROOT_EPSILON, _ROOT_SLOPE = 0.008856, 0.2068966, 7.787
_DARK, _DARK_SLOPE = 0.0031308, 12.92
# OpenCV's stub knows the maximum of two arrays only, so that the types of
# those of an array and a number are ignored below.
# A hundredth of a step of 8-bit Lab: a channel that varies less is constant.
_FLAT = 0.01
_STRIP_PIXELS = 16384


def _linear_table() -> np.ndarray:
    """Linear intensities of the 256 values of sRGB, (1, 256) float32."""
    values = np.arange(256) / 255
    powers = ((values + 0.055) / 1.055) ** 2.4
    table = np.where(values > 0.04045, powers, values / _DARK_SLOPE)
    return table.astype(np.float32)[None]


_LINEAR = _linear_table()


@dataclass(frozen=True)
class LabStyle:
    """What an image passes on to another one.

    Attributes:
        mean: Of L, a and b over all pixels.
        std: Their population standard deviation.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def style_of(image: np.ndarray) -> LabStyle:
    """Measure the style of an image.

    Args:
        image: (H, W, 3) uint8 BGR.
    """
    return _Moments(_lab_strip(strip) for strip in _strips(image)).style()


def in_style(image: np.ndarray, style: LabStyle) -> np.ndarray:
    r"""Give an image the colours of another one.

    .. math:: x' = (x - \mu_x) \, \sigma_r / \sigma_x + \mu_r

    for each channel x of Lab, with mean and population standard deviation
    over the pixels of the image and of its reference r. Lab is not clipped;
    only the root of Z does not become negative, as in scikit-image. The
    result is clipped to sRGB and rounded. A constant channel gets the mean
    only.

    Source: Reinhard et al., Color Transfer between Images, IEEE CG&A 2001, in
    Lab as the co-training of Gómez et al., Sensors 2023, uses it.

    Args:
        image: (H, W, 3) uint8 BGR.
        style: Of the reference.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    lab = np.empty(image.shape, np.float32)
    places = list(zip(_strips(image), _strips(lab), strict=True))
    own = _Moments(_lab_strip(*place) for place in places).style()
    matrix = _transfer_matrix(own, style)
    result = np.empty(image.shape, np.uint8)
    for part, out in zip(_strips(lab), _strips(result), strict=True):
        _bgr_strip(part, matrix, out)
    return result


class _Moments:
    """Sums over strips of a Lab image."""

    def __init__(self, strips: Iterable[np.ndarray]) -> None:
        self.pixels = 0
        self.sums, self.squares = np.zeros(3), np.zeros(3)
        for strip in strips:
            mean, std = (x.ravel() for x in cv2.meanStdDev(strip))
            count = strip.shape[0] * strip.shape[1]
            self.pixels += count
            self.sums += count * mean
            self.squares += count * (std**2 + mean**2)

    def style(self) -> LabStyle:
        """Mean and deviation over all of them."""
        mean = self.sums / self.pixels
        variance = (self.squares / self.pixels - mean**2).clip(min=0)
        return LabStyle(
            tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())
        )


def _strips(image: np.ndarray) -> list[np.ndarray]:
    """Views of rows that fit into the cache together."""
    image = np.ascontiguousarray(image)
    rows = max(1, _STRIP_PIXELS // image.shape[1])
    return [image[i : i + rows] for i in range(0, len(image), rows)]


def _lab_strip(bgr: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Lab of (h, W, 3) uint8 BGR, float32."""
    xyz = cv2.transform(cv2.LUT(bgr, _LINEAR), _BGR_TO_XYZ)
    # For OpenCV a number is one of the first channel: have one channel only.
    flat = xyz.reshape(len(xyz), -1)
    # The line is the tangent of the root where it takes over, so the part
    # below that point is added to the root of that point.
    upper = np.maximum(flat, _EPSILON)
    roots = cv2.pow(upper, 1 / 3)
    cv2.subtract(flat, upper, dst=flat)
    cv2.scaleAdd(flat, _ROOT_SLOPE, roots, dst=roots)
    return cv2.transform(roots.reshape(xyz.shape), _ROOTS_TO_LAB, dst=out)


def _transfer_matrix(own: LabStyle, wanted: LabStyle) -> np.ndarray:
    """Matrix (3, 4) from Lab to the roots of the image in the style."""
    std = np.array(own.std)
    # Rounding errors of a constant channel must not become a pattern.
    scale = np.where(
        std > _FLAT, np.array(wanted.std) / np.maximum(std, _FLAT), 0
    )
    shift = np.array(wanted.mean) - scale * np.array(own.mean)
    shift -= _ROOTS_TO_LAB[:, 3]
    return _LAB_TO_ROOTS @ np.column_stack([np.diag(scale), shift])


def _bgr_strip(lab: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    """Write BGR of (h, W, 3) Lab, after a matrix to the roots, as uint8."""
    roots = cv2.transform(lab, matrix)
    z = roots[..., 2]
    np.maximum(z, 0, out=z)
    flat = roots.reshape(len(roots), -1)
    upper = np.maximum(flat, _ROOT_EPSILON)
    xyz = cv2.pow(upper, 3)
    cv2.subtract(flat, upper, dst=flat)
    cv2.scaleAdd(flat, 1 / _ROOT_SLOPE, xyz, dst=xyz)
    linear = cv2.transform(xyz.reshape(lab.shape), _XYZ_TO_BGR)
    flat = linear.reshape(len(linear), -1)
    upper = np.maximum(flat, _DARK)
    curve = cv2.pow(upper, 1 / 2.4)
    cv2.subtract(flat, upper, dst=flat)
    # Rounds, and clips to [0, 255].
    cv2.addWeighted(
        *(curve, 255 * 1.055, flat, 255 * _DARK_SLOPE, -255 * 0.055),
        dst=out.reshape(len(out), -1),
        dtype=cv2.CV_8U,
    )
