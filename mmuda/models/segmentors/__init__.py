# Copyright (c) mmuda authors. Licensed under Apache-2.0.
from .domain_tta import DomainTTAModel
from .ensemble import SegmentorEnsemble
from .multi_head_encoder_decoder import MultiHeadEncoderDecoder
from .uda_encoder_decoder import UDAEncoderDecoder, losses_of
from .views import ENSEMBLE, Seen, View

__all__ = [
    'ENSEMBLE',
    'DomainTTAModel',
    'MultiHeadEncoderDecoder',
    'Seen',
    'SegmentorEnsemble',
    'UDAEncoderDecoder',
    'View',
    'losses_of',
]
