# Copyright (c) mmuda authors.
"""Head of DeepLabV3+ with full convolutions."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import caffe2_xavier_init
from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from mmuda.registry import MODELS

from .fixed_layers import refuse_lists


@MODELS.register_module()
class DeepLabV3PlusHead(BaseDecodeHead):
    """DeepLabV3+ (Chen et al., ECCV 2018) as detectron2 builds it.

    Parallel dilated convolutions and an image pooling without norm, projected
    by a 1x1 convolution, then a decoder of two 3x3 convolutions at the
    resolution of the first feature map. No convolution is depthwise
    separable, unlike in mmseg's ``DepthwiseSeparableASPPHead``, whose
    arguments this head takes. Dropout is of single values, behind the
    projection, not of channels before the classifier.

    Weights start as detectron2's: convolutions uniform with the variance
    1 / fan_in, the classifier N(0, 0.001).

    Args:
        in_channels: Channels of the last feature map, or of each one under
            ``input_transform='resize_concat'``.
        channels: Channels of each branch and of the decoder.
        c1_in_channels: Channels of the first feature map.
        c1_channels: Channels that it is projected to.
        dilations: Of the branches; 1 stands for a 1x1 convolution.
        pool_size: (h, w) of the image pooling's window in pixels of the last
            feature map; the whole map by default, and in a direction in
            which the map is not larger. detectron2 takes a training crop's:
            when testing larger images, the pooling then is a local one.
        dropout_ratio: Part of the projection's values that is dropped.
        align_corners: How maps are resized.
        init_cfg: Instead of detectron2's initial weights.
        **kwargs: Further arguments of mmseg's ``BaseDecodeHead``, such as
            ``in_index`` and ``num_classes``.

    Raises:
        ConfigError: ``input_transform`` asks for a list of maps.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        channels: int = 256,
        *,
        c1_in_channels: int,
        c1_channels: int = 48,
        dilations: Sequence[int] = (1, 6, 12, 18),
        pool_size: tuple[int, int] | None = None,
        dropout_ratio: float = 0.1,
        align_corners: bool = False,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_lists('DeepLabV3PlusHead', kwargs)
        super().__init__(
            in_channels,
            channels,
            dropout_ratio=0,
            align_corners=align_corners,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.pool_size = pool_size
        layers = self.conv_cfg, self.norm_cfg, self.act_cfg
        self.aspp_modules = ASPPModule(
            dilations, self.in_channels, channels, *layers
        )
        # Of one value each: nothing to normalise over.
        self.image_pool = self._conv(self.in_channels, channels, norm_cfg=None)
        self.bottleneck = self._conv((len(dilations) + 1) * channels, channels)
        self.projection_dropout = nn.Dropout(dropout_ratio)
        self.c1_bottleneck = self._conv(c1_in_channels, c1_channels)
        self.fuse = nn.Sequential(
            self._conv(c1_channels + channels, channels, 3),
            self._conv(channels, channels, 3),
        )

    def _conv(
        self, inputs: int, outputs: int, size: int = 1, **changes: Any
    ) -> ConvModule:
        layers = dict(
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )
        layers |= changes
        return ConvModule(inputs, outputs, size, padding=size // 2, **layers)

    def init_weights(self) -> None:
        """Draw weights as detectron2 does, or by ``init_cfg`` if given."""
        fresh = not self.is_init and self.init_cfg is None
        super().init_weights()
        if fresh:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    caffe2_xavier_init(module)
            nn.init.normal_(self.conv_seg.weight, std=0.001)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits.

        Args:
            inputs: Feature maps of the backbone's stages.

        Returns:
            Logits (N, K, h, w) in the resolution of the first map.
        """
        features = self._transform_inputs(inputs)
        pooled = self.image_pool(self.pooled(features))
        pyramid = [
            *self.aspp_modules(features),
            self._resize(pooled, features),
        ]
        context = self.bottleneck(torch.cat(pyramid, dim=1))
        context = self.projection_dropout(context)
        low_level = self.c1_bottleneck(inputs[0])
        context = self._resize(context, low_level)
        return self.cls_seg(self.fuse(torch.cat([low_level, context], dim=1)))

    def pooled(self, features: Tensor) -> Tensor:
        """Means of the windows ``pool_size`` of maps (N, C, h, w)."""
        return window_means(features, self.pool_size)

    def _resize(self, maps: Tensor, like: Tensor) -> Tensor:
        return resize(
            maps,
            size=like.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
        )


def window_means(
    features: Tensor, window: tuple[int, int] | None = None
) -> Tensor:
    """Average features over each window that lies within the map.

    Args:
        features: (N, C, h, w).
        window: Its height and width; the whole map if None, and in a
            direction in which the map is smaller.

    Returns:
        (N, C, h', w'), (N, C, 1, 1) of the whole map.
    """
    sides = features.shape[2:]
    height, width = map(min, zip(window or sides, sides, strict=True))
    # One direction after the other: far fewer sums than windows have pixels.
    rows = F.avg_pool2d(features, (height, 1), stride=1)
    return F.avg_pool2d(rows, (1, width), stride=1)
