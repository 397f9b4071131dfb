# Copyright (c) mmuda authors.
"""Labels for the target, made by a network that is sure enough."""

from .fixed_rules import FixedThresholds, GlobalThreshold, KeepAll
from .rules import (
    ClassBalancedPortion,
    ConfidenceQuantile,
    EntropyQuantile,
    SelectionRule,
)

__all__ = [
    'ClassBalancedPortion',
    'ConfidenceQuantile',
    'EntropyQuantile',
    'FixedThresholds',
    'GlobalThreshold',
    'KeepAll',
    'SelectionRule',
]
