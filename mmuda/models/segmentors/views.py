# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a multi-head segmentor is shown in one forward pass."""

from typing import NamedTuple

from torch import Tensor

from .feature_styles import Style

ENSEMBLE = 'ensemble'


class View(NamedTuple):
    """Images, and what is wanted of them.

    Attributes:
        images: (N, 3, H, W) normalised images.
        heads: Names of the heads that predict.
        style: Statistics that the features of the segmentor's
            ``style_layers`` get; none leaves them as they are.
    """

    images: Tensor
    heads: tuple[str, ...]
    style: Style = ()


class Seen(NamedTuple):
    """What the segmentor makes of a view.

    Attributes:
        logits: (N, C, h, w) by head, at the network's resolution.
        style: Statistics of the features after each of the segmentor's
            ``style_layers``, before they are swapped; without a graph.
    """

    logits: dict[str, Tensor]
    style: Style
