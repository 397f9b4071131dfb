# Copyright (c) mmuda authors.
"""VGG-16 of DeepLab-V2."""

from mmcv.cnn import VGG
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmuda.registry import MODELS


@MODELS.register_module()
class DeepLabVGG(BaseModule):
    """VGG-16 with output stride 8 and convolutional fc6 and fc7.

    The last two pools keep the resolution, the fifth stage is dilated by 2,
    and the fully connected layers become a 3x3 convolution of dilation 4 and
    a 1x1 convolution.

    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads ImageNet
    weights in torchvision's naming (``features.0.weight``, ...); the linear
    classifier in the file does not fit fc6 and fc7 and is skipped. Torchvision
    trained them on RGB images normalised by ImageNet's mean and deviation.

    Source: Chen et al., DeepLab, TPAMI 2018, section 4.1; the VGG-16 rows of
    Vu et al., ADVENT, CVPR 2019.

    Args:
        fc_channels: Width of fc6 and fc7, and of the output.
        fc6_dilation: Dilation of fc6.
        dropout_ratio: Dropout after fc6 and after fc7.
        init_cfg: Initialisation; Kaiming by default.
    """

    def __init__(
        self,
        fc_channels: int = 1024,
        fc6_dilation: int = 4,
        dropout_ratio: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        kaiming = dict(type='Kaiming', layer='Conv2d')
        if init_cfg is None:
            init_cfg = kaiming
        elif isinstance(init_cfg, dict) and init_cfg['type'] == 'Pretrained':
            # fc6 and fc7 aren't in ImageNet files.
            partial = init_cfg.get('partial', ['fc6.', 'fc7.'])
            init_cfg = [kaiming, dict(init_cfg, partial=partial)]
        super().__init__(init_cfg)
        self.features = VGG(depth=16, dilations=(1, 1, 1, 1, 2)).features
        for index, layer in enumerate(self.features):
            if isinstance(layer, nn.MaxPool2d) and index > 20:
                self.features[index] = nn.MaxPool2d(3, stride=1, padding=1)
        self.fc6 = nn.Conv2d(
            512, fc_channels, 3, padding=fc6_dilation, dilation=fc6_dilation
        )
        self.fc7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout_ratio)

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        """Extract features.

        Args:
            inputs: Images (N, 3, H, W).

        Returns:
            One map (N, fc_channels, H // 8, W // 8).
        """
        feats = self.features(inputs)
        feats = self.dropout(self.relu(self.fc6(feats)))
        return (self.dropout(self.relu(self.fc7(feats))),)
