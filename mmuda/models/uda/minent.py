# Copyright (c) mmuda authors.
"""Direct entropy minimisation on target images."""

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import entropy_losses
from mmuda.models.method_checks import check_heads, check_top_fraction
from mmuda.models.players import Losses
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.term import add_deprecated_term
from mmuda.registry import MODELS

from .base import BaseUDA


@MODELS.register_module()
class MinEnt(BaseUDA):
    r"""MinEnt of `ADVENT <https://arxiv.org/abs/1811.12833>`_.

    The segmentation loss on the source plus the mean entropy of the
    predictions on the target (equation 4):

    .. math:: L_{seg}(x_s, y_s) + \lambda_{ent} \, \overline{E}(x_t)

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        entropy_weights: Weight :math:`\lambda_{ent}` by head.
        top_fraction: Part of each target image's pixels, those of highest
            entropy, that counts; 0.3 in the variant "ER", 1 for all.
        class_ratio_prior: Deprecated, a term ``ClassRatioPrior`` ("CP").
        **kwargs: As of :class:`BaseUDA`.

    Attributes:
        deprecated_terms: Older keywords, by name: the type of the term that
            each adds, and the parameter that it gives ('' for all).

    Raises:
        ConfigError: A head is unknown, or a value lies outside its range.
    """

    allows_padding = True
    deprecated_terms = {'class_ratio_prior': ('ClassRatioPrior', '')}

    def __init__(
        self,
        segmentor: dict,
        entropy_weights: dict[str, float],
        top_fraction: float = 1.0,
        class_ratio_prior: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        check_heads(self.segmentor, 'entropy_weights', entropy_weights)
        self.entropy_weights = dict(entropy_weights)
        self.top_fraction = check_top_fraction(top_fraction)
        if class_ratio_prior is not None:
            add_deprecated_term(self, 'class_ratio_prior', class_ratio_prior)

    def loss_on_target(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """Mean entropy of target predictions (equation 4)."""
        return entropy_losses(
            full, self.entropy_weights, self.top_fraction, target.valid
        )
