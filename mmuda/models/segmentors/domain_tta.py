# Copyright (c) mmuda authors.
"""Test-time augmentation of UDA models."""

from collections.abc import Callable, Iterable

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import SegTTAModel
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor

from mmuda.models.losses.alignment import entropy_map, normalised_entropy
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .strip_predictions import (
    ENTROPY,
    KEPT_STRIPS,
    LOGITS,
    STRIPS,
    add_classes,
    choose_outputs,
)
from .strips import Strips, combined


@MODELS.register_module()
class DomainTTAModel(SegTTAModel):
    """Mean of the class probabilities of several versions of an image.

    As mmseg's ``SegTTAModel``, and with ``seg_logits``, the logarithm of the
    mean, so that the entropy can be measured. Of a single version it is what
    the model predicts, unchanged.
    """

    #: What merged predictions hold beside the classes.
    merged_outputs: frozenset[str] = frozenset([LOGITS])
    #: Logits of a strip at most; None for what suits the device.
    strip_values: int | None = None

    def choose_outputs(self, outputs: Iterable[str]) -> None:
        """Say what is needed of merged predictions beside the classes.

        Args:
            outputs: As of the function ``choose_outputs``.
        """
        self.merged_outputs = frozenset(outputs)
        whole = LOGITS in self.merged_outputs
        choose_outputs(self.module, [LOGITS] if whole else [STRIPS])

    def merge_preds(self, data_samples_list: list[SampleList]) -> SampleList:
        """Merge the predictions of the versions of each image.

        Args:
            data_samples_list: Versions of each image; the labels are those
                of the first.

        Returns:
            A sample for each image.

        Raises:
            ConfigError: The model has one output channel.
        """
        return [self._merge(samples) for samples in data_samples_list]

    def _merge(self, samples: SampleList) -> SegDataSample:
        first = samples[0]
        if STRIPS in first:
            return self._merge_strips(samples)
        if len(samples) == 1:
            return first
        if len(first.seg_logits.data) < 2:
            raise ConfigError(
                '--tta: DomainTTAModel needs at least two classes; name '
                "tta_model=dict(type='SegTTAModel') in the config"
            )
        total = torch.zeros_like(first.seg_logits.data)
        for sample in samples:
            total += sample.seg_logits.data.softmax(dim=0)
        total /= len(samples)
        first.set_data(
            dict(
                seg_logits=PixelData(data=total.log()),
                pred_sem_seg=PixelData(data=total.argmax(0, keepdim=True)),
            )
        )
        return first

    def _merge_strips(self, samples: SampleList) -> SegDataSample:
        first = samples[0]
        versions = [sample.pop(STRIPS) for sample in samples]
        wanted = ENTROPY in self.merged_outputs
        merged: Strips = versions[0]
        entropy: Callable[[Tensor], Tensor] = entropy_map
        if len(versions) > 1:
            merged = combined(versions, _mean_probability)
            entropy = normalised_entropy
        add_classes(
            first, merged, entropy if wanted else None, self.strip_values
        )
        if KEPT_STRIPS in self.merged_outputs:
            logits = merged.then(torch.log) if len(versions) > 1 else merged
            first.set_field(logits, STRIPS)
        return first


def _mean_probability(logits: list[Tensor]) -> Tensor:
    """Mean of the class probabilities of some (N, C, H, W) logits."""
    total = torch.zeros_like(logits[0])
    for part in logits:
        total += part.softmax(dim=1)
    return total / len(logits)
