# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Training on the source alone: the lower bound of every comparison."""

from collections.abc import Iterator

from mmseg.utils import SampleList
from torch import Tensor

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .base import BaseUDA
from .domains import SOURCE, Losses


@MODELS.register_module()
class SourceOnly(BaseUDA):
    """Supervised training on the source.

    It must not run target images even without a loss on them: in training
    mode they would adapt the batch-norm statistics.

    Raises:
        ConfigError: A batch holds a target domain.
    """

    allows_padding = True

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """Segmentation loss on the source; see :class:`BaseUDA`."""
        if set(inputs) != {SOURCE}:
            raise ConfigError(
                'SourceOnly must not see target images: set '
                'train_dataloader.dataset.target=None'
            )
        losses, _ = self.loss_on_source(inputs, data_samples)
        yield 'segmentor', losses
