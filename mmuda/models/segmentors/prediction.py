# Copyright (c) mmuda authors.
"""What a segmentor is shown, and what it answers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from mmuda.models.style import ChannelStatistics
from mmuda.utils.errors import ConfigError

Logits = Mapping[str, Tensor]
Features = tuple[Tensor, ...]
Style = tuple[ChannelStatistics, ...]

# Of convolutions and of poolings.
_TOO_SMALL = ("Kernel size can't be greater", 'Output size is too small')


class View(NamedTuple):
    """Images, and what is wanted of them.

    Attributes:
        images: (N, 3, H, W) normalised images.
        heads: Names of the heads that predict.
        style: Statistics that the features of the segmentor's
            ``style_layers`` get; none leaves them as they are.
        mask_ratio: Share of the backbone's patch tokens that its mask token
            replaces, drawn at random; 0 for none.
    """

    images: Tensor
    heads: tuple[str, ...]
    style: Style = ()
    mask_ratio: float = 0


class Box(NamedTuple):
    """Part of an image, in pixels; ends are not in it."""

    top: int
    bottom: int
    left: int
    right: int


class Prediction(NamedTuple):
    """What a segmentor makes of a view, or of several.

    Not a dataclass: DDP looks for tensors in tuples and dicts.

    Attributes:
        logits: (N, C, h, w) by head, at the network's resolution.
        features: (N, D, h, w) of each stage of the backbone, or of the neck,
            if they were asked for.
        style: Statistics of the features after each of the segmentor's
            ``style_layers``, before they are swapped; without a graph.
        boxes: Part of the images that a head's logits are of; a head that is
            not named saw all.
        details: As ``features``, of the part of the images that HRDA sees in
            detail; none of other segmentors.
        token_mask: (N, h, w) True where a patch token was masked, of HRDA in
            the context; None if none was, or the backbone does not tell.
    """

    logits: dict[str, Tensor]
    features: Features = ()
    style: Style = ()
    boxes: Mapping[str, Box] = {}
    details: Features = ()
    token_mask: Tensor | None = None


def check_not_small(
    error: RuntimeError, images: Tensor, network: nn.Module
) -> None:
    """Say in one line that images are smaller than a network can see.

    Args:
        error: What PyTorch raised.
        images: (N, 3, H, W), as the network saw them.
        network: The backbone.

    Raises:
        ConfigError: The error says that they are.
    """
    if any(sign in str(error) for sign in _TOO_SMALL):
        height, width = images.shape[2:]
        raise ConfigError(
            f'images of {width}x{height} pixels, as the backbone sees them, '
            f'are too small for {type(network).__name__}; give it larger ones '
            '(the context of HRDAEncoderDecoder is context_scale of an image)'
        ) from error


def token_mask_of(backbone: nn.Module) -> Tensor | None:
    """Which tokens (N, h, w) a backbone's last pass with a mask has hidden."""
    return getattr(backbone, 'token_mask', None)


def crop(box: Box, *maps: Tensor | None) -> tuple[Any, ...]:
    """Part of maps (N, H, W) that lies in a box; None stays so."""
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    return tuple(
        None if values is None else values[:, rows, columns] for values in maps
    )
