# Copyright (c) mmuda authors.
"""Classification head of DeepLab-V2."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmuda.registry import MODELS

from .fixed_layers import CONVOLUTIONS, refuse_lists, refuse_options

_CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)
_FIXED = dict(
    norm_cfg='it has no norm',
    act_cfg='it has no activation',
    conv_cfg=CONVOLUTIONS,
    channels='its only maps are the logits',
)


@MODELS.register_module()
class DLV2Head(BaseDecodeHead):
    """Sum of dilated 3x3 convolutions straight to the classes.

    Each branch is a 3x3 convolution with bias whose padding equals its
    dilation; there is no norm, no image pooling and no 1x1 convolution.
    Weights start from N(0, 0.01), biases from PyTorch's default; from 0 with
    ``init_cfg=dict(type='Normal', std=0.01, override=dict(name='convs'))``,
    as in DAFormer's code.

    Source: Chen et al., DeepLab, TPAMI 2018, section 3.2, in the form that
    Vu et al., ADVENT, CVPR 2019, use.

    Args:
        in_channels: Channels of the feature map.
        num_classes: Number of classes K.
        dilations: Dilation of each branch.
        dropout_ratio: Channel dropout before the branches, none by default.
        align_corners: How logits are resized to labels and images; the
            paper's networks are trained and tested with aligned corners.
        loss_decode: Cross entropy averaged over valid pixels by default.
        **kwargs: Further arguments of mmseg's ``BaseDecodeHead``, such as
            ``in_index``, which picks the backbone's stage.

    Raises:
        ConfigError: An option of ``BaseDecodeHead`` is given for layers that
            this head does not have (``norm_cfg``, ``act_cfg``, ``conv_cfg``,
            ``channels``).
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        dropout_ratio: float = 0.0,
        align_corners: bool = True,
        loss_decode: dict | list[dict] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_options('DLV2Head', kwargs, _FIXED)
        refuse_lists('DLV2Head', kwargs)
        super().__init__(
            in_channels,
            channels=num_classes,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            align_corners=align_corners,
            loss_decode=loss_decode or _CROSS_ENTROPY,
            init_cfg=init_cfg,
            **kwargs,
        )
        # The base class's classifier would be a trained parameter without a
        # gradient, which DistributedDataParallel refuses.
        del self.conv_seg
        self.convs = nn.ModuleList(
            nn.Conv2d(
                self.in_channels,
                self.out_channels,
                3,
                padding=dilation,
                dilation=dilation,
            )
            for dilation in dilations
        )

    def init_weights(self) -> None:
        """Draw weights from N(0, 0.01), then apply ``init_cfg`` if given."""
        if not self.is_init:
            for conv in self.convs:
                assert isinstance(conv, nn.Conv2d)
                nn.init.normal_(conv.weight, std=0.01)
        super().init_weights()

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits.

        Args:
            inputs: Feature maps of the backbone's stages.

        Returns:
            Logits (N, K, h, w) in the resolution of the chosen stage.
        """
        feats = self._transform_inputs(inputs)
        if self.dropout is not None:
            feats = self.dropout(feats)
        logits = self.convs[0](feats)
        for conv in self.convs[1:]:
            logits = logits + conv(feats)
        return logits
