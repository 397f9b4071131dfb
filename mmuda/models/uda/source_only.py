# Copyright (c) mmuda authors.
"""Training on the source alone: the lower bound of every comparison."""

from dataclasses import replace
from typing import Any

from mmuda.models.augmentation import (
    AugmentationDraws,
    StrongAugmentation,
    augmentation_of,
    normalisation_of,
)
from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.players import Steps
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .base import BaseUDA


@MODELS.register_module()
class SourceOnly(BaseUDA):
    """Supervised training on the source.

    It must not run target images even without a loss on them: in training
    mode they would adapt the batch-norm statistics. Terms with passes of
    their own, such as ``MaskedConsistency``, may learn from targets beside it.

    Methods that change colours and average weights owe a part of what they
    gain to that. The bound which they are to be compared with has the same:
    ``augmentation=True, teacher=True, predict_on='teacher'``.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        augmentation: Options of ``StrongAugmentation`` for the images, those
            of a labelled target, too, or whether; by default they stay as
            they are.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A batch holds a target domain of which nothing is learned,
            or an option is out of its range.
    """

    allows_padding = True
    sees_domains_apart = False
    seams = ('on_source', 'extra')

    def __init__(
        self, segmentor: dict, augmentation: dict | bool = False, **kwargs: Any
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.augmentation = augmentation_of(augmentation, 'model')

    def check_batch(self, batch: Batch) -> None:
        """Refuse target images that no term asks for."""
        for term in self.terms:
            if 'extra' in term.seams() and term.learns_targets:
                return
        if batch.targets or self.targets:
            raise ConfigError(
                'SourceOnly must not see target images: set '
                'train_dataloader.dataset.target=None, and no model.targets'
            )

    def as_learned(self, labelled: DomainBatch) -> DomainBatch:
        """The images as augmented, with new draws at each call."""
        draws = self.draw_augmentation(len(labelled.images))
        if draws is None:
            return labelled
        mean, std = normalisation_of(self.data_preprocessor)
        images = StrongAugmentation.apply(labelled.images, draws, mean, std)
        return replace(labelled, images=images)

    def draw_augmentation(self, count: int) -> AugmentationDraws | None:
        """Draw how N images are augmented; None for not at all."""
        if self.augmentation is None:
            return None
        return self.augmentation.draw(count)

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Any]
    ) -> Steps:
        """Nothing: targets are for terms alone."""
        yield from ()
