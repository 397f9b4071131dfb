# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Backbones."""

from .deeplab_resnet import DeepLabResNet
from .deeplab_vgg import DeepLabVGG
from .resnet_v1c import CoveringResNetV1c

__all__ = ['CoveringResNetV1c', 'DeepLabResNet', 'DeepLabVGG']
