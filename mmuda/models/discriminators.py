# Copyright (c) mmuda authors.
"""Networks that tell domains apart."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from mmengine.model import BaseModule, ModuleDict
from torch import Tensor, nn

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

__all__ = ['CoaSTDiscriminator', 'FCDiscriminator', 'MultiLevelDiscriminator']

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


@MODELS.register_module()
class MultiLevelDiscriminator(BaseModule):
    """Independent discriminators of several heads behind one ``forward``.

    One module, so that distributed training wraps them together: a
    ``ModuleDict`` alone has no ``forward`` to go through.

    Source: Vu et al., ADVENT, CVPR 2019 (main and auxiliary
    head).

    Args:
        levels: Names of the heads, such as ``('decode', 'aux')``.
        in_channels: Channels C of the maps, the number of classes.
        base_channels: Width of each discriminator.
        level_type: Class of each discriminator, ``FCDiscriminator`` or
            ``CoaSTDiscriminator``.
        init_cfg: Initialisation in place of PyTorch's default.

    Raises:
        ConfigError: If ``levels`` is empty or names a head twice.
    """

    def __init__(
        self,
        levels: Sequence[str],
        in_channels: int,
        base_channels: int = 64,
        level_type: str = 'FCDiscriminator',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if isinstance(levels, str) or not levels:
            raise ConfigError(
                f'MultiLevelDiscriminator: levels={levels!r} must be a list'
                " of head names such as ['decode', 'aux']."
            )
        if len(set(levels)) != len(levels):
            raise ConfigError(
                f'MultiLevelDiscriminator: levels={list(levels)} names a head'
                ' twice.'
            )
        self.in_channels = in_channels
        self.levels = ModuleDict(
            {
                level: MODELS.build(
                    dict(
                        type=level_type,
                        in_channels=in_channels,
                        base_channels=base_channels,
                    )
                )
                for level in levels
            }
        )

    @property
    def min_side(self) -> int:
        """Shortest side of a map that leaves a logit, in pixels."""
        return max(level.min_side for level in self.levels.values())

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the domain logits of every level.

        Args:
            inputs: By level, maps (N, C, H, W); exactly the levels of this
                module, as distributed training needs all of them each time.

        Returns:
            By level, logits (N, 1, h, w).

        Raises:
            ConfigError: If the levels of ``inputs`` are others.
        """
        if set(inputs) != set(self.levels.keys()):
            raise ConfigError(
                f'MultiLevelDiscriminator: got maps of {sorted(inputs)} for'
                f' levels={sorted(self.levels.keys())}; set levels to the'
                ' heads of the segmentor that are aligned.'
            )
        return {
            level: discriminator(inputs[level])
            for level, discriminator in self.levels.items()
        }
