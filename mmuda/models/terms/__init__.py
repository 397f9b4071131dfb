# Copyright (c) mmuda authors.
"""Losses that ride on any method."""

from mmuda.models.term import (
    Term,
    add_deprecated_term,
    add_losses,
    add_terms,
)

from .class_ratio_prior import ClassRatioPrior
from .entropy import Entropy
from .feature_distance import FeatureDistance
from .masked_consistency import MaskedConsistency
from .pseudo_labels import PseudoLabels

__all__ = [
    'ClassRatioPrior',
    'Entropy',
    'FeatureDistance',
    'MaskedConsistency',
    'PseudoLabels',
    'Term',
    'add_deprecated_term',
    'add_losses',
    'add_terms',
]
