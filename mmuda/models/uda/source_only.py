# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Training on the source alone: the lower bound of every comparison."""

from typing import Any

from mmuda.models.batch import Batch
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

    Raises:
        ConfigError: A batch holds a target domain of which nothing is learned.
    """

    allows_padding = True
    seams = ('on_source', 'extra')

    def check_batch(self, batch: Batch) -> None:
        """Refuse target images that no term asks for."""
        if any('extra' in term.seams() for term in self.terms):
            return
        if batch.targets or self.targets:
            raise ConfigError(
                'SourceOnly must not see target images: set '
                'train_dataloader.dataset.target=None, and no model.targets'
            )

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Any]
    ) -> Steps:
        """Nothing: targets are for terms alone."""
        yield from ()
