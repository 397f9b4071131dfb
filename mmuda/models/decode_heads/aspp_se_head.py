# Copyright (c) mmuda authors.
"""Head of ProDA: dilated convolutions, group norm and channel attention."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import SELayer
from torch import Tensor, cat, nn

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .fixed_layers import CONVOLUTIONS, refuse_lists, refuse_options

_CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)
_GATE = (dict(type='ReLU'), dict(type='Sigmoid'))
_FIXED = dict(
    norm_cfg='its norms are group norms of num_groups',
    act_cfg='its activations are ReLU',
    conv_cfg=CONVOLUTIONS,
)


@MODELS.register_module()
class ASPPSEHead(BaseDecodeHead):
    """Concatenated dilated convolutions with squeeze and excitation.

    A 1x1 and four dilated 3x3 convolutions, each with group norm and ReLU,
    are concatenated and weighted channel by channel (squeeze and excitation
    of ratio 16). A 3x3 convolution with group norm, but without ReLU, reduces
    them to the features, which channel dropout and a 1x1 classifier without
    bias follow. All other convolutions have a bias. Each uses the padding
    that keeps the size.

    Weights of convolutions start from N(0, 0.01), those of the squeeze and
    excitation and all biases from PyTorch's default. The published code draws
    other values first, but overwrites them with these, except for the 3x3
    convolution's bias, which it leaves at 0.

    Source: the code of Zhang et al., ProDA, CVPR 2021. CoaST (WACV 2023) and
    MCL (TCSVT 2024) have one for each target and one for all. For a SegFormer
    (``input_transform='resize_concat'``) the revisions of MCL's code differ;
    to concatenate the four stages as they are is inferred.

    Args:
        in_channels: Channels of the feature map, or of each stage under
            ``input_transform='resize_concat'``.
        num_classes: Number of classes K.
        channels: Channels of each branch and of the features.
        dilations: Dilations of the 3x3 branches.
        num_groups: Groups of each group norm.
        se_ratio: Channels of all branches by those that squeezing leaves.
        dropout_ratio: Channel dropout before the classifier.
        align_corners: How stages are resized to the first one, and logits to
            labels and images.
        loss_decode: Cross entropy averaged over valid pixels by default.
        init_cfg: Initialisation on top of the one above.
        **kwargs: Further arguments of mmseg's ``BaseDecodeHead``, such as
            ``in_index``, which picks the backbone's stages.

    Raises:
        ConfigError: ``channels`` is no multiple of ``num_groups``, or
            ``norm_cfg``, ``act_cfg`` or ``conv_cfg`` is given, as all layers
            are those above.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        *,
        num_classes: int,
        channels: int = 256,
        dilations: Sequence[int] = (6, 12, 18, 24),
        num_groups: int = 32,
        se_ratio: int = 16,
        dropout_ratio: float = 0.1,
        align_corners: bool = True,
        loss_decode: dict | list[dict] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_options('ASPPSEHead', kwargs, _FIXED)
        refuse_lists('ASPPSEHead', kwargs)
        super().__init__(
            in_channels,
            channels,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            align_corners=align_corners,
            loss_decode=loss_decode or _CROSS_ENTROPY,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.branches = nn.ModuleList(
            nn.Sequential(
                *_conv_norm(self.in_channels, channels, num_groups, dilation),
                nn.ReLU(inplace=True),
            )
            for dilation in (None, *dilations)
        )
        width = channels * len(self.branches)
        self.se = SELayer(width, se_ratio, act_cfg=_GATE)
        self.bottleneck = nn.Sequential(
            *_conv_norm(width, channels, num_groups, dilation=1)
        )
        self.conv_seg = nn.Conv2d(channels, self.out_channels, 1, bias=False)

    def init_weights(self) -> None:
        """Draw weights as above, then apply ``init_cfg`` if given."""
        if not self.is_init:
            for part in (self.branches, self.bottleneck, self.conv_seg):
                for conv in _convolutions(part):
                    nn.init.normal_(conv.weight, std=0.01)
            for conv in _convolutions(self.se):
                conv.reset_parameters()
        super().init_weights()

    def features(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute what the classifier sees, before dropout.

        Args:
            inputs: Feature maps of the backbone's stages.

        Returns:
            (N, channels, h, w) in the resolution of the first chosen stage.
        """
        feats = self._transform_inputs(inputs)
        branches = cat([branch(feats) for branch in self.branches], dim=1)
        return self.bottleneck(self.se(branches))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits.

        Args:
            inputs: Feature maps of the backbone's stages.

        Returns:
            Logits (N, K, h, w) in the resolution of the first chosen stage.
        """
        return self.cls_seg(self.features(inputs))


def _conv_norm(
    in_channels: int, channels: int, num_groups: int, dilation: int | None
) -> tuple[nn.Conv2d, nn.GroupNorm]:
    """A 3x3 convolution (1x1 without a dilation) and its norm."""
    if channels % num_groups:
        raise ConfigError(
            f'ASPPSEHead: channels={channels} must be a multiple of '
            f'num_groups={num_groups}'
        )
    size, dilation = (1, 1) if dilation is None else (3, dilation)
    padding = dilation * (size // 2)
    conv = nn.Conv2d(
        in_channels, channels, size, padding=padding, dilation=dilation
    )
    return conv, nn.GroupNorm(num_groups, channels)


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]
