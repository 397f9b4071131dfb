# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How certain the predictions are, without any labels."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from mmuda.models.losses.entropy import entropy_map
from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError


@METRICS.register_module()
class EntropyMetric(BaseMetric):
    """Mean normalised Shannon entropy of all pixels of a data set.

    ``entropy`` is 0 if all predictions are certain and 1 if all are uniform
    (ADVENT, equation 2). It needs no labels.
    """

    needs_labels = False

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add up the entropy of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions with ``seg_logits`` (C, H, W).

        Raises:
            ConfigError: There are no logits of at least two classes.
        """
        for sample in data_samples:
            logits = sample.get('seg_logits', {}).get('data')
            if logits is None or len(logits) < 2:
                raise ConfigError(
                    'EntropyMetric needs seg_logits of at least two classes, '
                    'which these predictions do not have (test-time '
                    'augmentation keeps none); remove it from the evaluator'
                )
            entropy = entropy_map(logits[None])
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
