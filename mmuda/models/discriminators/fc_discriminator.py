# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Fully convolutional domain discriminator."""

from itertools import pairwise

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

_NUM_CONVS = 5


@MODELS.register_module()
class FCDiscriminator(BaseModule):
    """Five 4x4 convolutions of stride 2 that tell domains apart.

    Channels go C, 64, 128, 256, 512, 1 with a leaky ReLU (slope 0.2) between
    the convolutions and no norm. Each convolution halves a side, rounding
    down: a map of 720x1280 gives 22x40 logits. Weights start from PyTorch's
    default.

    Source: Vu et al., ADVENT, CVPR 2019 (after Radford et al.,
    DCGAN, ICLR 2016).

    Args:
        in_channels: Channels C of the maps, the number of classes.
        base_channels: Channels after the first convolution.
        init_cfg: Initialisation in place of PyTorch's default.
    """

    def __init__(
        self,
        in_channels: int,
        base_channels: int = 64,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [base_channels * 2**i for i in range(_NUM_CONVS - 1)]
        layers: list[nn.Module] = []
        for previous, width in pairwise([in_channels, *widths]):
            layers.append(nn.Conv2d(previous, width, 4, stride=2, padding=1))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Conv2d(widths[-1], 1, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    #: Shortest side of a map that leaves a logit, in pixels.
    min_side = 2**_NUM_CONVS

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute domain logits.

        Args:
            inputs: Maps (N, C, H, W), at least 32 pixels on each side.

        Returns:
            Logits (N, 1, H // 32, W // 32).

        Raises:
            ConfigError: If a side is shorter than 32 pixels.
        """
        if min(inputs.shape[-2:]) < self.min_side:
            raise ConfigError(
                f'FCDiscriminator: a map of {tuple(inputs.shape[-2:])} pixels'
                f' is smaller than {self.min_side}x{self.min_side}: train on'
                ' larger images.'
            )
        return self.layers(inputs)
