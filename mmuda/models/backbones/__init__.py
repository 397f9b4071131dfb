# Copyright (c) mmuda authors.
"""Backbones."""

from .deeplab_resnet import DeepLabResNet
from .deeplab_vgg import DeepLabVGG
from .dino_vit import DINOVisionTransformer
from .efficientnet_lite import EfficientNetLite
from .mit import MiT
from .rein import ReinBackbone

__all__ = [
    'DINOVisionTransformer',
    'DeepLabResNet',
    'DeepLabVGG',
    'EfficientNetLite',
    'MiT',
    'ReinBackbone',
]
