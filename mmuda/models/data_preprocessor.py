# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Normalising and stacking images of several domains."""

from typing import Any

import torch
from mmseg.models import SegDataPreProcessor
from mmseg.utils import SampleList
from torch import Tensor
from torch.nn.functional import pad

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


@MODELS.register_module()
class DomainDataPreprocessor(SegDataPreProcessor):
    """Apply mmseg's preprocessor to each domain of a training batch.

    Images of one domain are stacked; sizes may differ between domains. Where
    they are padded to one size, so are labels and pseudo-labels, with a value
    that is ignored (``seg_pad_val``); see :func:`valid_pixels`. A
    batch without domains (validation, test) is handled as in mmseg.

    Args:
        size_divisor: As in mmseg; the default of 1 pads only to the largest
            image of a domain's batch.
        **kwargs: Further arguments of mmseg's ``SegDataPreProcessor``.
    """

    def __init__(self, size_divisor: int | None = 1, **kwargs) -> None:
        if kwargs.get('size') is not None:
            size_divisor = None
        super().__init__(size_divisor=size_divisor, **kwargs)

    def forward(
        self, data: dict[str, Any], training: bool = False
    ) -> dict[str, Any]:
        """Preprocess one batch.

        Args:
            data: ``inputs`` and ``data_samples``, each a list or, by domain,
                a dict of lists; images are uint8 (3, H, W).
            training: Whether to pad to one size.

        Returns:
            The same structure with stacked float images (N, 3, H, W).

        Raises:
            ConfigError: If items of several samples were not collated.
        """
        if not isinstance(data['inputs'], dict):
            return super().forward(data, training)
        for domain, images in data['inputs'].items():
            if isinstance(images[0], (list, tuple)):
                raise ConfigError(
                    f'the batch has lists of {domain!r} samples in place of '
                    "samples; set collate_fn=dict(type='domain_collate') in "
                    "train_dataloader, or train_cfg.type='UDATrainLoop'"
                )
        batches = {
            domain: super(DomainDataPreprocessor, self).forward(
                dict(inputs=images, data_samples=data['data_samples'][domain]),
                training,
            )
            for domain, images in data['inputs'].items()
        }
        for batch in batches.values():
            _pad_pseudo_labels(batch['data_samples'], self.seg_pad_val)
        return {
            key: {domain: batch[key] for domain, batch in batches.items()}
            for key in ('inputs', 'data_samples')
        }


def valid_pixels(images: Tensor, samples: SampleList) -> Tensor | None:
    """Pixels of a batch that belong to an image.

    Args:
        images: (N, 3, H, W) padded images.
        samples: Their samples, as the preprocessor leaves them.

    Returns:
        (N, H, W) bool, False on padding; None if no image is padded.
    """
    paddings = [sample.get('padding_size', (0, 0, 0, 0)) for sample in samples]
    if not any(any(padding) for padding in paddings):
        return None
    height, width = images.shape[-2:]
    valid = torch.zeros(
        (len(paddings), height, width), dtype=torch.bool, device=images.device
    )
    for mask, (left, right, top, bottom) in zip(valid, paddings, strict=True):
        mask[top : height - bottom, left : width - right] = True
    return valid


def _pad_pseudo_labels(samples: SampleList, value: int) -> None:
    for sample in samples:
        padding = sample.get('padding_size', ())
        if 'pseudo_sem_seg' in sample and any(padding):
            label = sample.pseudo_sem_seg.data
            del sample.pseudo_sem_seg.data
            sample.pseudo_sem_seg.data = pad(label, padding, value=value)
