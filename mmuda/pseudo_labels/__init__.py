# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Labels for the target, made by a network that is sure enough."""

from .rules import (
    ClassBalancedPortion,
    ConfidenceQuantile,
    EntropyQuantile,
    GlobalThreshold,
    KeepAll,
    SelectionRule,
)

__all__ = [
    'ClassBalancedPortion',
    'ConfidenceQuantile',
    'EntropyQuantile',
    'GlobalThreshold',
    'KeepAll',
    'SelectionRule',
]
