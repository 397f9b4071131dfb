# Copyright (c) mmuda authors.
"""Cross entropy on pseudo-labels of the target as a term."""

from typing import Annotated

from mmuda.models.batch import DomainBatch
from mmuda.models.method_checks import check_pseudo_label_weight
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.term import Losses, Term
from mmuda.registry import MODELS
from mmuda.utils.checks import POSITIVE


@MODELS.register_module()
class PseudoLabels(Term):
    """Segmentation losses of all heads on pseudo-labels (ESL).

    Target samples carry them by ``LoadPseudoLabels``.

    Args:
        weight: Factor on top of the heads' own loss weights.

    Raises:
        ConfigError: It is no positive number.
    """

    allows_padding = True

    def __init__(self, weight: Annotated[float, POSITIVE] = 1.0) -> None:
        super().__init__()
        self.weight = check_pseudo_label_weight(
            weight, 'terms: PseudoLabels.weight'
        )

    def on_target(
        self,
        model,
        prediction: Prediction,
        full: Logits,
        target: DomainBatch,
    ) -> Losses:
        """Weighted losses, named ``<head>.loss_<name>_pseudo``."""
        losses = model.network.losses(
            prediction,
            target.require_labels(),
            target.weights,
            target.pseudo,
        )
        return {
            f'{name}_pseudo': self.weight * value if 'loss' in name else value
            for name, value in losses.items()
        }
