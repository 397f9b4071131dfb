# Copyright (c) mmuda authors.
"""Self-training and co-training of models on images that they label."""

from .accumulation import AccumulatedLabels
from .exchange import Exchange, choose_exchange, exchange_warnings
from .labelled_images import (
    LabelledImages,
    minimum_thresholds,
)
from .merge import merge_folders, merge_labels
from .ranking import keys_text, own_share, rank_images, sample_keys

__all__ = [
    'AccumulatedLabels',
    'Exchange',
    'LabelledImages',
    'choose_exchange',
    'exchange_warnings',
    'keys_text',
    'merge_folders',
    'merge_labels',
    'minimum_thresholds',
    'own_share',
    'rank_images',
    'sample_keys',
]
