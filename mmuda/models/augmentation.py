# Copyright (c) mmuda authors.
"""Colour jitter and blur of normalised images, on the device they are on.

As DACS (Tranheden et al., WACV 2021) and its successors show mixed images.
The operations are those of kornia up to 0.6.3, with which their numbers were
made: brightness is added and contrast scales about black, unlike what
torchvision and later versions call colour jitter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn.functional import conv2d, pad

from mmuda.utils.checks import SHARE
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_ranges import STRENGTH
from mmuda.utils.errors import ConfigError

# Smallest and largest standard deviation of the blur, in pixels.
_SIGMAS = (0.15, 1.15)
# So many deviations off, a tap of the blur is below what float64 resolves.
_FARTHEST = 9


class AugmentationDraws(NamedTuple):
    """What is drawn for a batch of N images, on the CPU.

    Attributes:
        jitters: Whether the batch's colours change.
        blurs: Whether the batch is blurred.
        factors: (N, 4) of each image for brightness, contrast and saturation
            (1 changes nothing) and hue (in turns, 0 changes nothing).
        orders: (N, K) numbers of those operations that act, the first one
            first; of what is drawn all four do.
        sigmas: (N,) standard deviations of the blur in pixels.
    """

    jitters: bool
    blurs: bool
    factors: Tensor
    orders: Tensor
    sigmas: Tensor


@dataclass(frozen=True)
class StrongAugmentation:
    """Colour jitter and blur, each for all images of a batch or for none.

    Args:
        strength: Brightness, contrast and saturation change by at most this
            factor, hue by this part of a turn.
        jitter_probability: Of the colour jitter.
        blur_probability: Of the blur.

    Raises:
        ConfigError: A number is out of its range.
    """

    strength: float = 0.2
    jitter_probability: float = 0.8
    blur_probability: float = 0.5

    def __post_init__(self) -> None:
        STRENGTH.require(self.strength, 'augmentation.strength')
        for name in ('jitter_probability', 'blur_probability'):
            SHARE.require(getattr(self, name), f'augmentation.{name}')

    def draw(self, count: int, as_one: bool = False) -> AugmentationDraws:
        """Draw from PyTorch's global generator of the CPU.

        On whatever device the images are, and whatever the coins say, it is
        the same numbers.

        Args:
            count: Number of images.
            as_one: Whether all images share the order of operations and the
                blur; factors are of each image anyway.
        """
        coins = torch.rand(2)
        factors = self.strength * (2 * torch.rand(count, 4) - 1)
        factors[:, :3] += 1
        rows = 1 if as_one else count
        orders = torch.stack([torch.randperm(4) for _ in range(rows)])
        least, most = _SIGMAS
        sigmas = least + (most - least) * torch.rand(rows)
        return AugmentationDraws(
            bool(coins[0] < self.jitter_probability),
            bool(coins[1] < self.blur_probability),
            factors,
            orders.expand(count, 4),
            sigmas.expand(count),
        )

    @staticmethod
    @torch.no_grad()
    def apply(
        images: Tensor,
        draws: AugmentationDraws,
        mean: Tensor | float = 0.0,
        std: Tensor | float = 1.0,
    ) -> Tensor:
        """Change normalised images by what was drawn for them.

        Args:
            images: (N, 3, H, W) normalised images.
            draws: For N images.
            mean: What was subtracted of values up to 255, (3, 1, 1) or one.
            std: What they were divided by then.

        Returns:
            (N, 3, H, W) normalised images; what was given if nothing acts.

        Raises:
            ConfigError: Colours would change, and there are not three.
        """
        # Half precision is for networks, it would round the images.
        with torch.autocast(images.device.type, enabled=False):
            if draws.jitters:
                require_colours(images.shape[1])
                colors = (images * std + mean) / 255
                colors = color_jitter(colors, draws.factors, draws.orders)
                images = ((colors * 255 - mean) / std).to(images)
            if draws.blurs:
                height, width = images.shape[2:]
                kernel = blur_length(height), blur_length(width)
                images = gaussian_blur(images, draws.sigmas, kernel)
        return images


def require_colours(
    channels: int, place: str = 'model', is_bytes: bool = True
) -> None:
    """Refuse to change the colours of what has no three of them.

    Args:
        channels: Of the images.
        place: Keys that lead to ``augmentation`` in the config.
        is_bytes: Whether their values are those of 8 bits. Of others all that
            is above 255 would become white.

    Raises:
        ConfigError: There are not three, or they are not of 8 bits.
    """
    if channels != 3 or not is_bytes:
        units = '' if is_bytes else ' that are not of 8 bits'
        raise ConfigError(
            f'{place}.augmentation changes brightness, saturation and hue of '
            f'RGB, and the images have {channels} channels{units}; set '
            f'{place}.augmentation=dict(jitter_probability=0), which still '
            'blurs, or False'
        )


def augmentation_of(
    options: Mapping[str, float] | bool | None, place: str
) -> StrongAugmentation | None:
    """Build the augmentation that an option names.

    Args:
        options: Of ``StrongAugmentation``; True for the published ones, False
            or None for no augmentation.
        place: Keys that lead to ``augmentation`` in the config.

    Raises:
        ConfigError: One is unknown, or out of its range.
    """
    if options is False or options is None:
        return None
    given = {} if options is True else dict(options)
    known = [field.name for field in fields(StrongAugmentation)]
    for key in given:
        if key not in known:
            raise ConfigError(
                f'{place}.augmentation: there is no {key!r}'
                f'{did_you_mean(key, known)}, only {", ".join(known)}'
            )
    return StrongAugmentation(**given)


def normalisation_of(
    preprocessor: BaseDataPreprocessor,
) -> tuple[Tensor | float, Tensor | float]:
    """Mean (3, 1, 1) and deviation that a preprocessor normalises by.

    Args:
        preprocessor: Of mmseg, or one that gives images as they are, which
            have mean 0 and deviation 1.
    """
    if getattr(preprocessor, '_enable_normalize', False):
        return preprocessor.mean, preprocessor.std
    return 0.0, 1.0


def color_jitter(images: Tensor, factors: Tensor, orders: Tensor) -> Tensor:
    r"""Change brightness, contrast, saturation and hue of images.

    .. math:: x + (f_b - 1), \quad x f_c, \quad S f_s, \quad H + f_h

    S and H are those of HSV; values and saturation are clamped to [0, 1]
    after each.

    Args:
        images: (N, 3, H, W) in [0, 1].
        factors: (N, 4) :math:`f_b, f_c, f_s` and :math:`f_h`, in turns.
        orders: (N, K) numbers of the operations, the first one first.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    jittered = []
    # Numbers, not tensors: nothing waits for the device.
    plans = zip(images, factors.tolist(), orders.tolist(), strict=True)
    for image, factor, order in plans:
        for operation in order:
            image = _OPERATIONS[operation](image, factor[operation])
        jittered.append(image)
    return torch.stack(jittered)


def _brighten(image: Tensor, factor: float) -> Tensor:
    return (image + (factor - 1)).clamp(0, 1)


def _scale_contrast(image: Tensor, factor: float) -> Tensor:
    return (image * factor).clamp(0, 1)


def _saturate(image: Tensor, factor: float) -> Tensor:
    hue, saturation, value = rgb_to_hsv(image)
    return hsv_to_rgb(hue, (saturation * factor).clamp(0, 1), value)


def _turn_hue(image: Tensor, factor: float) -> Tensor:
    hue, saturation, value = rgb_to_hsv(image)
    return hsv_to_rgb(hue + factor, saturation, value)


_OPERATIONS = (_brighten, _scale_contrast, _saturate, _turn_hue)


def rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in turns, saturation and value of an image.

    Args:
        image: (3, H, W) in [0, 1].

    Returns:
        Three times (H, W); hue is 0 where there is no colour.
    """
    red, green, blue = image
    value, place = image.max(dim=0)
    chroma = value - image.amin(dim=0)
    divisor = chroma.where(chroma > 0, torch.ones_like(chroma))
    sextant = torch.where(
        place == 0,
        (green - blue) / divisor,
        torch.where(
            place == 1,
            2 + (blue - red) / divisor,
            4 + (red - green) / divisor,
        ),
    )
    return (sextant / 6) % 1, chroma / (value + 1e-6), value


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Image (3, H, W) of hue in turns, saturation and value, each (H, W)."""
    chroma = value * saturation
    channels = []
    for offset in (5, 3, 1):
        sextant = (offset + 6 * hue) % 6
        part = torch.minimum(sextant, 4 - sextant).clamp(0, 1)
        channels.append(value - chroma * part)
    return torch.stack(channels)


def blur_length(side: int) -> int:
    """Pixels of the blur's kernel along a side, odd, a tenth of it."""
    length = math.ceil(0.1 * side)
    return length if length % 2 else length - 1


def gaussian_blur(
    images: Tensor, sigmas: Tensor, kernel: tuple[int, int]
) -> Tensor:
    """Blur images, which are mirrored at their borders.

    Args:
        images: (N, C, H, W).
        sigmas: (N,) standard deviations in pixels, on the CPU.
        kernel: Odd height and width of the kernel. What of it float64 can't
            tell from nothing is left out.

    Returns:
        (N, C, H, W).
    """
    count, channels, height, width = images.shape
    farthest = math.ceil(_FARTHEST * float(sigmas.max()))
    blurred = images.reshape(1, count * channels, height, width)
    for vertical, length in zip((True, False), kernel, strict=True):
        reach = min(length // 2, farthest)
        places = torch.arange(-reach, reach + 1, dtype=torch.float64)
        taps = torch.exp(-((places / sigmas[:, None].double()) ** 2) / 2)
        taps = (taps / taps.sum(dim=1, keepdim=True)).to(images)
        taps = taps.repeat_interleave(channels, dim=0)[:, None]  # (NC, 1, K)
        sides = (0, 0, reach, reach) if vertical else (reach, reach, 0, 0)
        blurred = conv2d(
            pad(blurred, sides, mode='reflect'),
            taps[..., None] if vertical else taps[:, :, None],
            groups=count * channels,
        )
    return blurred.reshape(images.shape)
