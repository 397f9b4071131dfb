# Copyright (c) mmuda authors.
"""ResNet of DeepLab-V2."""

from collections.abc import Sequence
from typing import Any

from mmseg.models import ResNet
from torch import nn

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

_INIT_CFG = (
    dict(type='Normal', layer='Conv2d', std=0.01),
    dict(type='Constant', layer='_BatchNorm', val=1, bias=0),
)


@MODELS.register_module()
class DeepLabResNet(ResNet):
    """ResNet with Caffe layout and output stride 8, as AdvEnt uses it.

    mmseg's ResNet with the stride on the first 1x1 convolution of a block,
    dilated last two stages and a max-pool that rounds up, so that a side of
    n pixels gives ``(n - 1) // 8 + 1`` (1280x720 gives 161x91). The affine
    parameters of batch norm are frozen while its statistics follow each
    batch. Weights are meant for BGR images of range 0 to 255 with the mean
    subtracted.

    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads the published
    ImageNet file (names ``Scale.conv1.weight``, ...) as well as files with
    plain names; the file must cover the backbone, a classifier in it
    (``layer5``, ``fc``) is skipped. Without it convolutions start from
    N(0, 0.01), which is enough for tests but not for training.

    Source: Chen et al., DeepLab, TPAMI 2018, section 3.1; Vu et al., ADVENT,
    CVPR 2019.

    Args:
        depth: 50, 101 or 152 (bottleneck blocks), 18 or 34 (basic blocks,
            for demos on a CPU).
        stage_blocks: Number of blocks in each stage instead of those of
            ``depth``, which then only chooses the kind of block.
        style: ``'caffe'`` puts a block's stride on its first convolution,
            ``'pytorch'`` on the 3x3 one.
        strides: Stride of each stage.
        dilations: Dilation of each stage, used in all of its blocks.
        norm_cfg: Batch norm by default, affine parameters frozen.
        zero_init_residual: Start the last norm of each block from 0, so that
            blocks begin as their shortcuts.
        **kwargs: Further arguments of mmseg's ``ResNet``, such as
            ``base_channels`` and ``out_indices``.

    Raises:
        ConfigError: If the depth is unknown or ``stage_blocks`` has not one
            positive number for each stage, or if ``zero_init_residual``
            stands beside an ``init_cfg``, which says how blocks start.
    """

    arch_settings: dict[int, tuple[type[nn.Module], tuple[int, ...]]]

    def __init__(
        self,
        depth: int = 101,
        stage_blocks: Sequence[int] | None = None,
        style: str = 'caffe',
        strides: Sequence[int] = (1, 2, 1, 1),
        dilations: Sequence[int] = (1, 1, 2, 4),
        norm_cfg: dict | None = None,
        zero_init_residual: bool = False,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        if depth not in self.arch_settings:
            raise ConfigError(
                f'DeepLabResNet: depth={depth} is not one of'
                f' {sorted(self.arch_settings)}.'
            )
        if stage_blocks is not None:
            _check_stage_blocks(stage_blocks, len(strides))
            block = self.arch_settings[depth][0]
            self.arch_settings = {depth: (block, tuple(stage_blocks))}
        if init_cfg is None and kwargs.get('pretrained') is None:
            init_cfg = list(_INIT_CFG)
        elif zero_init_residual:
            raise ConfigError(
                'DeepLabResNet: zero_init_residual=True would have no effect '
                'beside init_cfg, which says how blocks start; remove one'
            )
        super().__init__(
            depth,
            style=style,
            strides=strides,
            dilations=dilations,
            norm_cfg=norm_cfg or dict(type='BN', requires_grad=False),
            init_cfg=init_cfg,
            **kwargs,
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        if zero_init_residual:
            _start_as_shortcuts(self)


def _start_as_shortcuts(network: ResNet) -> None:
    """As mmseg does, which needs the other initial weights to be its own."""
    for name in network.res_layers:
        for block in getattr(network, name):
            last = 'norm3' if hasattr(block, 'norm3') else 'norm2'
            zero = dict(type='Constant', val=0, override=dict(name=last))
            block.init_cfg = zero


def _check_stage_blocks(stage_blocks: Sequence[int], num_stages: int) -> None:
    if len(stage_blocks) != num_stages or min(stage_blocks) < 1:
        raise ConfigError(
            f'DeepLabResNet: stage_blocks={tuple(stage_blocks)} must hold one'
            f' positive number for each of the {num_stages} stages.'
        )
