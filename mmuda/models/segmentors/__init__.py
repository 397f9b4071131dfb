# Copyright (c) mmuda authors.
from .domain_tta import DomainTTAModel
from .ensemble import SegmentorEnsemble
from .hrda_encoder_decoder import HRDAEncoderDecoder
from .multi_head_encoder_decoder import MultiHeadEncoderDecoder
from .prediction import Box, Logits, Prediction, View
from .uda_encoder_decoder import UDAEncoderDecoder

__all__ = [
    'Box',
    'DomainTTAModel',
    'HRDAEncoderDecoder',
    'Logits',
    'MultiHeadEncoderDecoder',
    'Prediction',
    'SegmentorEnsemble',
    'UDAEncoderDecoder',
    'View',
]
