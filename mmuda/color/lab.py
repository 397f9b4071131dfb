# Copyright (c) mmuda authors.
"""CIE Lab colours, and images in the colours of other images.

All functions work in at least single precision, also under automatic mixed
precision, and no gradient flows through them. The conversions are those of
IEC 61966-2-1 (sRGB) and CIE 15 (Lab) for the white point D65, as in OpenCV.
"""

import torch
from torch import Tensor

from mmuda.utils.errors import ConfigError

# Rows X, Y and Z of linear sRGB, each divided by its value for white.
_TO_XYZ = torch.tensor(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ],
    dtype=torch.float64,
)
_TO_XYZ /= _TO_XYZ.sum(dim=1, keepdim=True)
_FROM_XYZ = torch.linalg.inv(_TO_XYZ)

# Where Lab's cube root gives way to a line through the origin, and its slope.
_EPSILON = 216 / 24389
_KAPPA = 24389 / 27
# What an 8-bit Lab image can hold, for L, a and b.
_RANGES = ((0, 100), (-128, 127), (-128, 127))
# A hundredth of a step of 8-bit Lab: a channel that varies less is constant.
_FLAT = 0.01


@torch.no_grad()
def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab.

    Args:
        rgb: (N, 3, H, W) in [0, 1].

    Returns:
        (N, 3, H, W): L in [0, 100], a and b in about [-128, 127]; float32 or
        better.
    """
    rgb = _wide(rgb)
    linear = torch.where(
        rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4
    )
    xyz = _mix(linear, _TO_XYZ)
    roots = torch.where(
        xyz > _EPSILON, xyz ** (1 / 3), (_KAPPA * xyz + 16) / 116
    )
    x, y, z = roots.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


@torch.no_grad()
def lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert CIE Lab to sRGB.

    Args:
        lab: (N, 3, H, W) as of :func:`rgb_to_lab`.

    Returns:
        (N, 3, H, W) in [0, 1], float32 or better; what lies outside of sRGB
        is clipped.
    """
    lightness, a, b = _wide(lab).unbind(dim=1)
    y = (lightness + 16) / 116
    roots = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(roots > 6 / 29, roots**3, (116 * roots - 16) / _KAPPA)
    # Before the curve, as powers of negative numbers are not defined.
    linear = _mix(xyz, _FROM_XYZ).clamp(min=0)
    rgb = torch.where(
        linear <= 0.0031308,
        12.92 * linear,
        1.055 * linear ** (1 / 2.4) - 0.055,
    )
    return rgb.clamp(max=1)


@torch.no_grad()
def transfer_colors(content: Tensor, style: Tensor) -> Tensor:
    r"""Give images the colours of other images.

    .. math:: x' = (x - \mu_x) \, \sigma_r / \sigma_x + \mu_r

    for each channel x of Lab, with mean and standard deviation over the
    pixels of one image and of its reference r. The result is clipped to what
    8-bit Lab can hold, then to sRGB. A constant channel gets the mean only.

    Source: Reinhard et al., Color Transfer between Images, IEEE CG&A 2001, in
    Lab as MCL (TCSVT 2024) uses it. MCL's code rounds to 8 bits on the way;
    this does not.

    Args:
        content: (N, 3, H, W) RGB in [0, 255].
        style: (N, 3, h, w) RGB in [0, 255], the n-th for the n-th of
            ``content``.

    Returns:
        (N, 3, H, W) RGB in [0, 255], float32 or better, not rounded.

    Raises:
        ConfigError: Images have not three channels.
    """
    for images in (content, style):
        if images.shape[1] != 3:
            raise ConfigError(
                'this method exchanges the colours of images, and these have '
                f'{images.shape[1]} channels, not RGB; choose another method'
            )
    lab = rgb_to_lab(_wide(content) / 255)
    mean, std = _moments(lab)
    wanted_mean, wanted_std = _moments(rgb_to_lab(_wide(style) / 255))
    # Rounding errors of a constant channel must not become a pattern.
    scale = torch.where(std > _FLAT, wanted_std / std.clamp(min=_FLAT), 0)
    lab = (lab - mean) * scale + wanted_mean
    channels = zip(lab.unbind(dim=1), _RANGES, strict=True)
    clipped = torch.stack([x.clamp(*limits) for x, limits in channels], dim=1)
    return lab_to_rgb(clipped) * 255


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (N, C, 1, 1)."""
    std, mean = torch.std_mean(images, dim=(2, 3), correction=0, keepdim=True)
    return mean, std


def _mix(images: Tensor, matrix: Tensor) -> Tensor:
    """Linear combinations of the channels, one for each row of a matrix."""
    # No matrix product: autocast and TF32 would compute it in few bits.
    red, green, blue = images.unbind(dim=1)
    return torch.stack(
        [r * red + g * green + b * blue for r, g, b in matrix.tolist()], dim=1
    )


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
