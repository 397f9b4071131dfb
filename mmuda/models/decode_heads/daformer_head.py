# Copyright (c) mmuda authors.
"""Head of DAFormer: all levels of a transformer, fused with context."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import (
    DepthwiseSeparableASPPModule,
)
from mmseg.models.utils import resize
from torch import Tensor, cat, nn

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .fixed_layers import CONVOLUTIONS, refuse_options

Fusion = Literal['sepaspp', 'conv1']

_CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=False)
_FIXED = dict(
    conv_cfg=CONVOLUTIONS,
    input_transform='it fuses the levels in_index itself',
)


@MODELS.register_module()
class DAFormerHead(BaseDecodeHead):
    r"""Context-aware fusion of the features of all levels.

    A linear layer takes each level to the same width, without norm or
    activation; all are resized to the first and concatenated. What fuses them
    is a 1x1 convolution and depthwise separable 3x3 convolutions of several
    dilations, side by side (ASPP without image pooling), and a 3x3 convolution
    over these (``sepaspp``); or one 1x1 convolution alone (``conv1``), which
    is the head of HRDA's scale attention. All of them have batch norm and
    ReLU. Channel dropout and a 1x1 classifier follow.

    Weights of the classifier start from N(0, 0.01), all others as PyTorch and
    MMCV have them.

    Source: Hoyer et al., DAFormer, CVPR 2022, section 3.2.

    Args:
        in_channels: Channels of each level.
        num_classes: Number of classes K.
        channels: Width of the levels and of the fused features.
        fusion: ``sepaspp`` or ``conv1``.
        dilations: Of ``sepaspp``; 1 is the 1x1 convolution.
        in_index: Levels that are used; by default as many as there are
            ``in_channels``, from the first.
        dropout_ratio: Channel dropout before the classifier.
        norm_cfg: Batch norm by default.
        loss_decode: Cross entropy averaged over all pixels by default, the
            ignored ones included, as DAFormer does.
        **kwargs: Further arguments of mmseg's ``BaseDecodeHead``, of which
            ``align_corners`` also says how levels are resized to the first.

    Raises:
        ConfigError: ``fusion`` is unknown, or ``conv_cfg`` or
            ``input_transform`` is given.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        num_classes: int,
        channels: int = 256,
        fusion: Fusion = 'sepaspp',
        dilations: Sequence[int] = (1, 6, 12, 18),
        in_index: Sequence[int] | None = None,
        dropout_ratio: float = 0.1,
        norm_cfg: dict | None = None,
        loss_decode: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_options(fusion, kwargs)
        super().__init__(
            list(in_channels),
            channels,
            num_classes=num_classes,
            in_index=list(in_index or range(len(in_channels))),
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg or dict(type='BN'),
            loss_decode=loss_decode or _CROSS_ENTROPY,
            **kwargs,
        )
        # A linear layer for each pixel.
        self.embed_layers = nn.ModuleList(
            nn.Conv2d(inputs, channels, 1) for inputs in self.in_channels
        )
        width = channels * len(self.in_channels)
        layers = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.aspp = None
        if fusion == 'sepaspp':
            self.aspp = _aspp(width, channels, dilations, layers)
            width = channels * len(dilations)
        size = 1 if self.aspp is None else 3
        self.bottleneck = ConvModule(
            width, channels, size, padding=size // 2, **layers
        )

    def features(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute what the classifier sees, before dropout.

        Args:
            inputs: Feature maps of the backbone's stages.

        Returns:
            (N, channels, h, w) in the resolution of the first chosen stage.
        """
        # Where no gradients are needed, nothing outlives its use: of a teacher
        # that sees many crops at once this is the peak.
        feats = self._embedded(self._transform_inputs(inputs))
        if self.aspp is not None:
            branches = self.aspp(feats)
            del feats
            feats = cat(branches, dim=1)
            del branches
        return self.bottleneck(feats)

    def _embedded(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels of one width and size, (N, levels * channels, h, w)."""
        size = levels[0].shape[2:]
        parts = [
            resize(
                embed(level),
                size=size,
                mode='bilinear',
                align_corners=self.align_corners,
            )
            for embed, level in zip(self.embed_layers, levels, strict=True)
        ]
        return cat(parts, dim=1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits.

        Args:
            inputs: Feature maps of the backbone's stages.

        Returns:
            Logits (N, K, h, w) in the resolution of the first chosen stage.
        """
        return self.cls_seg(self.features(inputs))


def _check_options(fusion: str, further: Mapping[str, Any]) -> None:
    refuse_options('DAFormerHead', further, _FIXED)
    if fusion not in get_args(Fusion):
        raise ConfigError(
            f'DAFormerHead: fusion={fusion!r} is not one of {get_args(Fusion)}'
        )


def _aspp(
    width: int, channels: int, dilations: Sequence[int], layers: dict
) -> DepthwiseSeparableASPPModule:
    return DepthwiseSeparableASPPModule(
        dilations=tuple(dilations),
        in_channels=width,
        channels=channels,
        conv_cfg=None,
        **layers,
    )
