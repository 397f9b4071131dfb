# Copyright (c) mmuda authors. Licensed under Apache-2.0.
from .adversarial import SOURCE_LABEL, TARGET_LABEL, Gan, domain_loss
from .class_ratio_prior import ClassRatioPrior
from .consistency import kl_divergence
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
    'ClassRatioPrior',
    'Gan',
    'class_ratio_prior_loss',
    'domain_loss',
    'entropy_loss',
    'entropy_map',
    'kl_divergence',
    'log_probabilities',
    'self_information',
]
