# Copyright (c) mmuda authors.
"""Light head of VFM-UDA."""

from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmuda.registry import MODELS

from .fixed_layers import CONVOLUTIONS, refuse_options

_EPS = 1e-6
_CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)
_CLASSIFIER = dict(type='Normal', std=0.1, override=dict(name='conv_seg'))
_FIXED = dict(
    norm_cfg='its norms are layer norms',
    act_cfg='its activation is a GELU',
    conv_cfg=CONVOLUTIONS,
    channels='they are a quarter of in_channels',
    input_transform='it reads one map',
)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of maps (N, C, h, w).

    mmseg's ``LayerNorm2d`` computes the moments in 16 bits where autocast
    gives it such; this one never does.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise maps."""
        last = maps.is_contiguous(memory_format=torch.channels_last)
        normed = super().forward(maps.permute(0, 2, 3, 1))
        # In the layout of the maps, or gradients of later weights had another
        # than the weights themselves.
        return normed.permute(0, 3, 1, 2).contiguous(
            memory_format=(
                torch.channels_last if last else torch.contiguous_format
            )
        )


@MODELS.register_module()
class VFMHead(BaseDecodeHead):
    """Four times the resolution of a transformer's features, and classes.

    Two transposed 2x2 convolutions, each with half the channels of what it
    gets, a 3x3 convolution and the classifier, none of which has a bias;
    layer norms over the channels behind all but the classifier, and one GELU.

    Source: Englert et al., Exploring the Benefits of Vision Foundation Models
    for Unsupervised Domain Adaptation, CVPRW 2024.

    Args:
        in_channels: Channels C of the features, a multiple of 4.
        num_classes: Number of classes K.
        dropout_ratio: Channel dropout before the classifier.
        align_corners: How logits are resized to labels and images.
        loss_decode: Cross entropy averaged over valid pixels by default.
        init_cfg: The classifier starts from N(0, 0.1) by default.
        **kwargs: Further arguments of mmseg's ``BaseDecodeHead``, such as
            ``in_index``.

    Raises:
        ConfigError: An option of ``BaseDecodeHead`` is given that says
            otherwise than above what the layers are (``norm_cfg``,
            ``act_cfg``, ``conv_cfg``, ``channels``, ``input_transform``).
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        dropout_ratio: float = 0,
        align_corners: bool = False,
        loss_decode: dict | list[dict] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_options('VFMHead', kwargs, _FIXED)
        half, quarter = in_channels // 2, in_channels // 4
        super().__init__(
            in_channels,
            channels=quarter,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            align_corners=align_corners,
            loss_decode=loss_decode or _CROSS_ENTROPY,
            init_cfg=init_cfg or _CLASSIFIER,
            **kwargs,
        )
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(in_channels, half, 2, stride=2, bias=False),
            ChannelNorm(half, _EPS),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2, bias=False),
            ChannelNorm(quarter, _EPS),
            nn.Conv2d(quarter, quarter, 3, padding=1, bias=False),
            ChannelNorm(quarter, _EPS),
        )
        self.conv_seg = nn.Conv2d(quarter, self.out_channels, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Compute logits.

        Args:
            inputs: Feature maps (N, C, h, w) of the backbone.

        Returns:
            Logits (N, K, 4h, 4w).
        """
        return self.cls_seg(self.upscale(self._transform_inputs(inputs)))
