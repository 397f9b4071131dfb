# Copyright (c) mmuda authors.
"""Training on the source and on pseudo-labels of the target."""

from mmuda.models.batch import DomainBatch
from mmuda.models.method_checks import check_pseudo_label_weight
from mmuda.models.players import Losses
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.terms import PseudoLabels
from mmuda.registry import MODELS

from .base import BaseUDA


@MODELS.register_module()
class SelfTraining(BaseUDA):
    """Cross entropy on source labels and on target pseudo-labels.

    What ESL leaves of its loss without the adversarial part; with labels of
    ``ClassBalancedPortion`` it is the training of class-balanced self-training
    (Zou et al., CBST, ECCV 2018).

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        pseudo_label_weight: Factor of the losses on pseudo-labels, on top of
            the heads' own weights.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: The weight is not positive.
    """

    allows_padding = True

    def __init__(
        self, segmentor: dict, pseudo_label_weight: float = 1.0, **kwargs
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.pseudo_labels = PseudoLabels(
            check_pseudo_label_weight(pseudo_label_weight)
        )

    def loss_on_target(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """Weighted cross entropy of all heads on pseudo-labels."""
        return self.pseudo_labels.on_target(self, prediction, full, target)
