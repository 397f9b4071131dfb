# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Training on the source and on pseudo-labels of the target."""

from collections.abc import Iterator

from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS

from .base import BaseUDA
from .domains import Losses, target_domains
from .pseudo_label import check_pseudo_label_weight, loss_on_pseudo_labels


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
        self.pseudo_label_weight = check_pseudo_label_weight(
            pseudo_label_weight
        )

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Source first, then each target."""
        targets = target_domains(inputs)
        losses, _ = self.loss_on_source(inputs, data_samples)
        yield 'segmentor', losses
        del losses
        if self.is_warming_up:
            return
        for target in targets:
            losses = loss_on_pseudo_labels(
                unwrap(self.segmentor),
                self.segmentor(inputs[target]),
                data_samples[target],
                self.pseudo_label_weight,
            )
            yield 'segmentor', add_prefix(losses, target)
            del losses
