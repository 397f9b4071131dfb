# Copyright (c) mmuda authors.
"""Decode heads."""

from .aspp_se_head import ASPPSEHead
from .daformer_head import DAFormerHead
from .deeplabv3plus_head import DeepLabV3PlusHead
from .dlv2_head import DLV2Head
from .vfm_head import VFMHead

__all__ = [
    'ASPPSEHead',
    'DAFormerHead',
    'DLV2Head',
    'DeepLabV3PlusHead',
    'VFMHead',
]
