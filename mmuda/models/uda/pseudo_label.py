# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Supervision by pseudo-labels of target images."""

import math

from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor

from mmuda.utils.checks import is_number
from mmuda.utils.errors import ConfigError, DataError


def check_pseudo_label_weight(weight: float) -> float:
    """Refuse a weight by which a method would not learn the target.

    Raises:
        ConfigError: It is no positive number.
    """
    if not is_number(weight) or not 0 < weight < math.inf:
        raise ConfigError(
            'model.pseudo_label_weight must be a positive number, not '
            f'{weight!r}; SourceOnly trains without'
        )
    return weight


def loss_on_pseudo_labels(
    segmentor, logits: dict[str, Tensor], samples: SampleList, weight: float
) -> dict[str, Tensor]:
    """Segmentation losses of all heads against pseudo-labels.

    Args:
        segmentor: A ``UDAEncoderDecoder`` without a distributed wrapper.
        logits: (N, C, h, w) target logits by head.
        samples: Target samples with ``pseudo_sem_seg`` (255 = rejected).
        weight: Factor on top of the heads' own loss weights.

    Returns:
        Losses named ``<head>.loss_<name>_pseudo``.

    Raises:
        DataError: A sample has no pseudo-label.
    """
    labelled = [_as_labelled(sample) for sample in samples]
    losses = segmentor.loss_from_logits(logits, labelled)
    return {
        f'{name}_pseudo': weight * value if 'loss' in name else value
        for name, value in losses.items()
    }


def _as_labelled(sample: SegDataSample) -> SegDataSample:
    if 'pseudo_sem_seg' not in sample:
        raise DataError(
            f'{sample.get("img_path", "a target sample")} has no pseudo-label;'
            " add dict(type='LoadPseudoLabels') to the target pipeline"
        )
    labelled = SegDataSample(metainfo=sample.metainfo)
    labelled.gt_sem_seg = PixelData(data=sample.pseudo_sem_seg.data)
    return labelled
