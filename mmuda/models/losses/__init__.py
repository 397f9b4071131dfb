# Copyright (c) mmuda authors. Licensed under Apache-2.0.
from .adversarial import SOURCE_LABEL, TARGET_LABEL, Gan, domain_loss
from .averaging import (
    AverageOver,
    average_cross_entropy,
    averaging_over,
    mean_of_valid,
    process_share,
    valid_at,
)
from .class_ratio_prior import ClassRatioPrior
from .consistency import (
    divergence_map,
    kl_divergence,
    masked_mean,
    rectification_weights,
    weight_distance,
    weighted_cross_entropy,
)
from .entropy import (
    class_ratio_prior_loss,
    entropy_loss,
    entropy_map,
    log_probabilities,
    normalised_entropy,
    self_information,
)
from .entropy_mask import class_entropy_mask, confidence_mask
from .hard_pixels import HardPixelCrossEntropyLoss, hardest

__all__ = [
    'SOURCE_LABEL',
    'TARGET_LABEL',
    'AverageOver',
    'ClassRatioPrior',
    'Gan',
    'HardPixelCrossEntropyLoss',
    'average_cross_entropy',
    'averaging_over',
    'class_entropy_mask',
    'class_ratio_prior_loss',
    'confidence_mask',
    'divergence_map',
    'domain_loss',
    'entropy_loss',
    'entropy_map',
    'hardest',
    'kl_divergence',
    'log_probabilities',
    'masked_mean',
    'mean_of_valid',
    'normalised_entropy',
    'process_share',
    'rectification_weights',
    'self_information',
    'valid_at',
    'weight_distance',
    'weighted_cross_entropy',
]
