# Copyright (c) mmuda authors.
"""Predicting with a trained network, from a few lines of Python."""

from .prediction_inputs import InputWarning
from .segmentation import Segmentation
from .segmenter import Segmenter

__all__ = ['InputWarning', 'Segmentation', 'Segmenter']
