# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Training on the source alone: the lower bound of every comparison."""

from mmuda.models.batch import Batch
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .base import BaseUDA


@MODELS.register_module()
class SourceOnly(BaseUDA):
    """Supervised training on the source.

    It must not run target images even without a loss on them: in training
    mode they would adapt the batch-norm statistics.

    Raises:
        ConfigError: A batch holds a target domain.
    """

    allows_padding = True
    seams = ('on_source',)

    def check_batch(self, batch: Batch) -> None:
        """Refuse target images."""
        if batch.targets or self.targets:
            raise ConfigError(
                'SourceOnly must not see target images: set '
                'train_dataloader.dataset.target=None, and no model.targets'
            )
