# Copyright (c) mmuda authors.
"""A segmentor from the image to its outputs, as one module."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from mmseg.models.segmentors.base import BaseSegmentor
from torch import Tensor, nn
from torch.nn import functional as F

from .trained_segmentor import Normalisation

Output = Literal['logits', 'labels', 'probabilities']
OUTPUTS: tuple[Output, ...] = get_args(Output)

_MOST_BYTES = 256  # values of a byte


class ImageSegmentor(nn.Module):
    """Normalises images, predicts, and resizes to the size of the images.

    What mmseg's ``predict`` does with an image that nothing has resized, one
    step for all images of a batch.

    Args:
        network: In evaluation mode.
        normalisation: Of its images.
        outputs: What is given, in this order.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: BaseSegmentor,
        normalisation: Normalisation,
        outputs: Sequence[Output] = ('logits',),
    ) -> None:
        super().__init__()
        self.network = network
        self.outputs = tuple(outputs)
        self.divisor = normalisation.divisor
        self.flips = normalisation.channels == 'BGR'
        for name in ('mean', 'std'):
            values = torch.tensor(getattr(normalisation, name))
            self.register_buffer(name, values[:, None, None])
        head = getattr(network, 'predicting_head', network.decode_head)
        self.align_corners = head.align_corners
        self.threshold = head.threshold if head.out_channels == 1 else None

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Predict images.

        Args:
            image: (N, 3, H, W) RGB, levels from 0 to 255 as float32.

        Returns:
            The output, or a tuple of them: ``logits`` (N, C, H, W),
            ``probabilities`` of the same form, ``labels`` (N, H, W), uint8
            if 256 values are enough, else int32. With one channel for two
            classes logits are (N, 1, H, W).
        """
        logits = self.logits(image)
        found = tuple(getattr(self, f'_{n}')(logits) for n in self.outputs)
        return found if len(found) > 1 else found[0]

    def logits(self, image: Tensor) -> Tensor:
        """Logits (N, C, H, W) of images (N, 3, H, W)."""
        height, width = image.shape[2:]
        seen = (image - self.mean) / self.std
        if self.flips:
            seen = seen.flip(1)
        if self.divisor > 1:
            missing = (-width) % self.divisor, (-height) % self.divisor
            seen = F.pad(seen, (0, missing[0], 0, missing[1]))
        logits = F.interpolate(
            self.network(seen, mode='tensor'),
            size=seen.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
        )
        return logits[:, :, :height, :width] if self.divisor > 1 else logits

    def _logits(self, logits: Tensor) -> Tensor:
        return logits

    def _probabilities(self, logits: Tensor) -> Tensor:
        if self.threshold is None:
            return logits.softmax(dim=1)
        positive = logits.sigmoid()
        return torch.cat((1 - positive, positive), dim=1)

    def _labels(self, logits: Tensor) -> Tensor:
        if self.threshold is not None:
            return (logits[:, 0].sigmoid() > self.threshold).to(torch.uint8)
        few = logits.shape[1] <= _MOST_BYTES
        return logits.argmax(dim=1).to(torch.uint8 if few else torch.int32)


def as_tuple(outputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Outputs of an :class:`ImageSegmentor`, of a single one, too."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
