# Copyright (c) mmuda authors. Licensed under Apache-2.0.
from .adversarial import SOURCE_LABEL, TARGET_LABEL, domain_loss
from .entropy import (
    class_ratio_prior_loss,
    entropy_loss,
    entropy_map,
    log_probabilities,
    self_information,
)

__all__ = [
    'SOURCE_LABEL',
    'TARGET_LABEL',
    'class_ratio_prior_loss',
    'domain_loss',
    'entropy_loss',
    'entropy_map',
    'log_probabilities',
    'self_information',
]
