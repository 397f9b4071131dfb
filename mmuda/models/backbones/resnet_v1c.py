# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""mmseg's ResNet with a stem of three convolutions."""

from mmseg.models.backbones import ResNetV1c

from mmuda.registry import MODELS

from .pretrained import CoveringPretrainedMixin


@MODELS.register_module()
class CoveringResNetV1c(CoveringPretrainedMixin, ResNetV1c):
    """mmseg's ``ResNetV1c`` whose pretrained weights must fit completely.

    mmseg's own only logs tensors that do not fit, and trains from random
    weights. Arguments are those of ``mmseg.models.backbones.ResNet``.

    Raises:
        CheckpointError: If a pretrained file is missing or does not cover
            the backbone, in ``init_weights``.
    """

    classifier_prefixes = ('fc.',)
