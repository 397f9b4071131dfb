# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Test-time augmentation of UDA models."""

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import SegTTAModel
from mmseg.utils import SampleList

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


@MODELS.register_module()
class DomainTTAModel(SegTTAModel):
    """Mean of the class probabilities of several versions of an image.

    As mmseg's ``SegTTAModel``, and with ``seg_logits``, the logarithm of the
    mean, so that the entropy can be measured. Of a single version it is what
    the model predicts, unchanged.
    """

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

    def _merge(self, samples: SampleList) -> SampleList:
        first = samples[0]
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
