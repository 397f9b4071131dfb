# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One discriminator for each head of a segmentor."""

from collections.abc import Mapping, Sequence

from mmengine.model import BaseModule, ModuleDict
from torch import Tensor

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


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
