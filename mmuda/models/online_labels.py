# Copyright (c) mmuda authors.
"""Pseudo-labels that a teacher makes within an iteration of training.

As in DACS (Tranheden et al., WACV 2021), DAFormer, HRDA and MIC: all pixels
are labelled, and their losses weigh as much as the part of the batch's pixels
that the teacher is sure of.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmuda.models.batch import DomainBatch, PseudoLabelled
from mmuda.models.followers import TEACHER
from mmuda.models.losses.averaging import share_of_pixels
from mmuda.utils.names import IGNORE_ID

if TYPE_CHECKING:
    from mmuda.models.segmentors import UDAEncoderDecoder
    from mmuda.models.uda import BaseUDA


@torch.no_grad()
def label_online(
    model: 'BaseUDA',
    target: DomainBatch,
    threshold: float | None,
    flip_average: bool = False,
    teacher: str = TEACHER,
) -> PseudoLabelled:
    r"""Label the images of a target by the teacher.

    .. math:: \hat y = \arg\max_c p_c, \quad
        q = \frac{|\{\max_c p_c \ge \tau\}|}{N H W}

    Args:
        model: A method with a teacher, in whose mode it predicts.
        target: N images of size (H, W). Where ``region`` is False, weights
            are 0, but q is of all pixels. Padding is neither labelled nor
            counted.
        threshold: Smallest probability :math:`\tau` that counts as sure; None
            for a weight of 1 everywhere.
        flip_average: Whether probabilities are the mean of those of the image
            and of its mirror image, as in VFM-UDA (CVPRW 2024).
        teacher: Name of the teacher that labels; of another than that of the
            method nothing is shown.

    Returns:
        The target with labels, weights q, confidences and q; without a graph.
    """
    network = getattr(model, teacher)
    probabilities = _probabilities(model, network, target.images)
    if flip_average:
        mirrored = _probabilities(model, network, target.images.flip(-1))
        probabilities = (probabilities + mirrored.flip(-1)) / 2
    confidence, labels = probabilities.max(dim=1)
    share = confidence.new_ones(())
    if threshold is not None:
        sure = confidence >= threshold
        share = share_of_pixels(sure, target.valid, confidence.dtype)
    weights = share.expand_as(confidence)
    for counts in (target.valid, target.region):
        if counts is not None:
            weights = weights.where(counts, weights.new_zeros(()))
    if target.valid is not None:
        labels = labels.where(target.valid, IGNORE_ID)
    if teacher == TEACHER:
        shown = labels
        if target.region is not None:
            shown = labels.where(target.region, IGNORE_ID)
        model.show(target.name, pseudo_label=shown, confidence=confidence)
    return PseudoLabelled(
        images=target.images,
        labels=labels,
        weights=weights,
        valid=target.valid,
        samples=target.samples,
        name=target.name,
        region=target.region,
        confidence=confidence,
        share=share,
    )


def _probabilities(
    model: 'BaseUDA', teacher: 'UDAEncoderDecoder', images: Tensor
) -> Tensor:
    """A teacher's of the classes, (N, C, H, W), of (N, 3, H, W)."""
    logits = teacher.predict_logits(images)
    return model.upsample(logits, images).softmax(dim=1)
