# Copyright (c) mmuda authors.
"""How certain the predictions are, without any labels."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmuda.models.losses.alignment import entropy_map
from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError

from .image_groups import GroupBy, ImageGroups


@METRICS.register_module()
class EntropyMetric(BaseMetric):
    """Mean normalised Shannon entropy of all pixels of a data set.

    ``entropy`` is 0 if all predictions are certain and 1 if all are uniform
    (ADVENT, equation 2). It needs no labels.

    Args:
        group_by: Names groups of images by their keys, as of
            ``DomainIoUMetric``; each group gives ``entropy.<group>`` as well.
        **kwargs: As of mmengine's ``BaseMetric``.

    Raises:
        ConfigError: ``group_by`` is no rule.
    """

    needs_labels = False
    needed_outputs = ('entropy',)

    def __init__(self, group_by: GroupBy | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.group_by = None if group_by is None else ImageGroups(group_by)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add up the entropy of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions with ``entropy`` (1, H, W), or with
                ``seg_logits`` (C, H, W).

        Raises:
            ConfigError: There are no logits of at least two classes, or no
                keys to group images by.
            DataError: A key has no group.
        """
        for sample in data_samples:
            entropy = sample.get('entropy', {}).get('data')
            if entropy is not None:
                self._add(entropy, sample)
                continue
            logits = sample.get('seg_logits', {}).get('data')
            if logits is None or len(logits) < 2:
                raise ConfigError(
                    'EntropyMetric needs seg_logits of at least two classes, '
                    'which these predictions do not have (test-time '
                    'augmentation keeps none); remove it from the evaluator'
                )
            self._add(entropy_map(logits[None]), sample)

    def _add(self, entropy: Tensor, sample: dict) -> None:
        total = entropy.sum(dtype=torch.float64).item()
        group = None
        if self.group_by is not None:
            group = self.group_by.of(sample)
        self.results.append((total, entropy.numel(), group))

    def compute_metrics(
        self, results: list[tuple[float, int, str | None]]
    ) -> dict[str, float]:
        """Divide by the number of all pixels, and of those of each group.

        Args:
            results: Summed entropy, number of pixels, and group, if there are
                some, of each image.
        """
        groups: dict[str, list[tuple[float, int]]] = {'entropy': []}
        names = sorted({name for *_, name in results if name is not None})
        groups |= {f'entropy.{name}': [] for name in names}
        for total, pixels, name in results:
            groups['entropy'].append((total, pixels))
            if name is not None:
                groups[f'entropy.{name}'].append((total, pixels))
        sums = {
            name: [sum(values) for values in zip(*images, strict=True)]
            for name, images in groups.items()
        }
        return {name: total / pixels for name, (total, pixels) in sums.items()}
