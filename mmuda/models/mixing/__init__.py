# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Making training images out of parts of several."""

from .batches import join_batches, paste_on_targets, weighted
from .class_mix import check_one_size, class_mix, pasted_classes
from .difficulty import Thresholds, read_thresholds

__all__ = [
    'Thresholds',
    'check_one_size',
    'class_mix',
    'join_batches',
    'pasted_classes',
    'paste_on_targets',
    'read_thresholds',
    'weighted',
]
