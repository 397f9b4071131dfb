# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How certain the predictions are, without any labels."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmuda.models.losses.alignment import entropy_map
from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError


@METRICS.register_module()
class EntropyMetric(BaseMetric):
    """Mean normalised Shannon entropy of all pixels of a data set.

    ``entropy`` is 0 if all predictions are certain and 1 if all are uniform
    (ADVENT, equation 2). It needs no labels.
    """

    needs_labels = False
    needed_outputs = ('entropy',)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add up the entropy of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions with ``entropy`` (1, H, W), or with
                ``seg_logits`` (C, H, W).

        Raises:
            ConfigError: There are no logits of at least two classes.
        """
        for sample in data_samples:
            entropy = sample.get('entropy', {}).get('data')
            if entropy is not None:
                self._add(entropy)
                continue
            logits = sample.get('seg_logits', {}).get('data')
            if logits is None or len(logits) < 2:
                raise ConfigError(
                    'EntropyMetric needs seg_logits of at least two classes, '
                    'which these predictions do not have (test-time '
                    'augmentation keeps none); remove it from the evaluator'
                )
            self._add(entropy_map(logits[None]))

    def _add(self, entropy: Tensor) -> None:
        total = entropy.sum(dtype=torch.float64).item()
        self.results.append((total, entropy.numel()))

    def compute_metrics(
        self, results: list[tuple[float, int]]
    ) -> dict[str, float]:
        """Divide by the number of all pixels.

        Args:
            results: Summed entropy and number of pixels of each image.
        """
        total, pixels = (sum(values) for values in zip(*results, strict=True))
        return {'entropy': total / pixels}
