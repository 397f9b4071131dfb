# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Domain discriminator of CoaST's and MLCL's warm-up."""

from itertools import pairwise

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmuda.registry import MODELS


@MODELS.register_module()
class CoaSTDiscriminator(BaseModule):
    """Four 3x3 convolutions of stride 2 and a 1x1 one.

    Channels go C, 64, 128, 256, 512, 1 with a ReLU between the convolutions,
    a leaky one (slope 0.2) before the last. Each of the first four halves a
    side, rounding up: a map of 320x640 gives 20x40 logits. Weights start from
    PyTorch's default. Source: published code of CoaST (WACV 2023).

    Args:
        in_channels: Channels C of the maps, the number of classes.
        base_channels: Channels after the first convolution.
        init_cfg: Initialisation in place of PyTorch's default.
    """

    #: Shortest side of a map that leaves a logit, in pixels.
    min_side = 1

    def __init__(
        self,
        in_channels: int,
        base_channels: int = 64,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [base_channels * 2**i for i in range(4)]
        layers: list[nn.Module] = []
        for previous, width in pairwise([in_channels, *widths]):
            layers.append(nn.Conv2d(previous, width, 3, stride=2, padding=1))
            layers.append(nn.ReLU(inplace=True))
        layers[-1] = nn.LeakyReLU(0.2, inplace=True)
        layers.append(nn.Conv2d(widths[-1], 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute domain logits.

        Args:
            inputs: Maps (N, C, H, W).

        Returns:
            Logits (N, 1, h, w) with h and w a sixteenth of H and W.
        """
        return self.layers(inputs)
