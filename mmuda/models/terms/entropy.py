# Copyright (c) mmuda authors.
"""Entropy of target predictions as a term."""

from collections.abc import Mapping

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import entropy_losses
from mmuda.models.method_checks import check_heads, check_top_fraction
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.term import Losses, Term
from mmuda.registry import MODELS


@MODELS.register_module()
class Entropy(Term):
    """MinEnt's loss beside another method's (ADVENT, equation 3).

    Args:
        weights: Weight of the entropy by head; of methods with heads of
            their own for each target by level (``decode``, ``aux``).
        top_fraction: Part of each image's pixels, those of highest entropy,
            that counts; 0.3 in the variant "ER", 1 for all.

    Raises:
        ConfigError: A head is unknown, or ``top_fraction`` not in (0, 1].
    """

    allows_padding = True

    def __init__(
        self, weights: Mapping[str, float], top_fraction: float = 1.0
    ) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.top_fraction = check_top_fraction(
            top_fraction, 'terms: Entropy.top_fraction'
        )

    def attach(self, model) -> None:
        """See :class:`Term`."""
        for target in model.targets or ('',):
            heads = {
                model.head_on(target, k): w for k, w in self.weights.items()
            }
            check_heads(model.network, 'terms: Entropy.weights', heads)

    def on_target(
        self,
        model,
        prediction: Prediction,
        full: Logits,
        target: DomainBatch,
    ) -> Losses:
        """Weighted entropies, named ``<head>.loss_entropy``."""
        return entropy_losses(
            {
                level: full[model.head_on(target.name, level)]
                for level in self.weights
            },
            self.weights,
            self.top_fraction,
            target.valid,
        )
