# Copyright (c) mmuda authors. Licensed under Apache-2.0.
from .ensemble import SegmentorEnsemble
from .uda_encoder_decoder import UDAEncoderDecoder

__all__ = ['SegmentorEnsemble', 'UDAEncoderDecoder']
