# Copyright (c) mmuda authors.
"""What one network, or several together, think of target images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from torch import Tensor

from mmuda.datasets.images.image_io import read_image
from mmuda.models.losses import normalised_entropy
from mmuda.models.players import unwrap
from mmuda.models.segmentors.ensemble import members
from mmuda.models.segmentors.strips import (
    Strips,
    combined,
    upsampled,
)
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.mixed_precision import Precision, computing_in
from mmuda.utils.names import IGNORE_ID

Score = Literal['entropy', 'confidence']
Order = Literal['softmax_first', 'upsample_first']


def probabilities(
    logits: Tensor, size: tuple[int, int], order: Order, align_corners: bool
) -> Strips:
    """Class probabilities at a given size.

    Args:
        logits: (N, C, h, w).
        size: Height H and width W in pixels.
        order: ``softmax_first`` takes the softmax at the resolution of the
            logits and upsamples probabilities, as ESL's published labels
            were made; ``upsample_first`` upsamples logits, as in testing.
        align_corners: Of the bilinear interpolation.

    Returns:
        (N, C, H, W), summing to 1 over the classes.
    """
    softmax = partial(F.softmax, dim=1)
    if order == 'softmax_first':
        return upsampled(softmax(logits.float()), size, align_corners)
    return upsampled(logits.float(), size, align_corners).then(softmax)


def label_and_score(
    probability: Strips, score: Score, limit: int | None = None
) -> tuple[Tensor, Tensor]:
    """The most probable class of each pixel, and how sure it is.

    Only a strip of the probabilities is there at a time. Labels are those of
    the whole image, entropies may differ from it by rounding.

    Args:
        probability: (N, C, H, W).
        score: ``entropy`` (normalised, low is sure) or ``confidence`` (the
            largest probability, high is sure).
        limit: Probabilities of a strip at most; None for what suits the
            device.

    Returns:
        Labels (N, H, W) uint8, 255 where a probability is not a number, and
        scores (N, H, W) float in [0, 1].
    """
    count, _, height, width = probability.shape
    shape, device = (count, height, width), probability.device
    labels = torch.empty(shape, dtype=torch.uint8, device=device)
    scores = torch.empty(shape, device=device)
    for columns, strip in probability.parts(limit):
        part = _label_and_score(strip, score)
        labels[..., columns], scores[..., columns] = part
    return labels, scores


def _label_and_score(
    probability: Tensor, score: Score
) -> tuple[Tensor, Tensor]:
    confidence, label = probability.max(dim=1)
    scores = (
        normalised_entropy(probability) if score == 'entropy' else confidence
    )
    # A sum with NaN or infinity in it is no finite number either.
    valid = torch.isfinite(probability.sum(dim=1))
    label = torch.where(valid, label, IGNORE_ID).to(torch.uint8)
    return label, torch.where(valid, scores, 0).clamp(0, 1)


Combination = Literal['sum', 'max']


class Prediction(NamedTuple):
    """Class probabilities of images of one size.

    Attributes:
        full: (N, C, H, W) at the size the labels are written in, made strip
            by strip.
        coarse: (N, C, h, w) at the resolution of the network's logits, if
            asked for; 0 on padding.
    """

    full: Strips
    coarse: Tensor | None


@dataclass(frozen=True)
class Predictor:
    """Predicts the target with a model as it is in validation.

    Attributes:
        model: A UDA model, an ensemble of them or any mmseg segmentor. It is
            used in the mode that it is in; call ``eval()`` before.
        order: See :func:`~mmuda.pseudo_labels.predictor.probabilities`.
        combination: How networks of an ensemble are combined: ``sum`` is the
            softmax of the weighted sum of logits, ``max`` the largest of
            their probabilities (for ``coarse``, divided by its sum).
        original_size: Label images at their original size instead of the one
            that the network sees.
        coarse: Give probabilities at the resolution of the logits, too.
        precision: In which networks compute; probabilities are float32.

    Raises:
        ConfigError: Sliding windows are asked for with ``softmax_first``.
    """

    model: BaseSegmentor
    order: Order = 'softmax_first'
    combination: Combination = 'sum'
    original_size: bool = False
    coarse: bool = False
    precision: Precision = 'fp32'

    def __post_init__(self) -> None:
        networks, _ = members(unwrap(self.model))
        if self.order == 'softmax_first' and any(map(slides, networks)):
            raise ConfigError(
                "pseudo_labels.order='softmax_first' needs whole images; "
                "with test_cfg.mode='slide' use 'upsample_first'"
            )

    @torch.no_grad()
    def __call__(self, batch: dict) -> Prediction:
        """Predict a batch of images of one size.

        Args:
            batch: ``inputs`` and ``data_samples`` as a data loader gives it.

        Raises:
            ConfigError: Networks of an ensemble differ in resolution.
        """
        model: BaseSegmentor = unwrap(self.model)
        data = model.data_preprocessor(batch, False)
        images, samples = data['inputs'], data['data_samples']
        metas = [sample.metainfo for sample in samples]
        networks, weights = members(model)
        logits = [self._logits(net, images, metas) for net in networks]
        align_corners = networks[0].align_corners
        size = self._output_size(images, metas)
        full = self._combine(logits, weights, size, align_corners)
        full = self._fit(full, metas, align_corners)
        if not self.coarse:
            return Prediction(full, None)
        height, width = logits[0].shape[2:]
        size = height, width
        coarse = self._combine(logits, weights, size, align_corners).whole()
        coarse = coarse / coarse.sum(dim=1, keepdim=True)
        height, width = images.shape[2:]
        area = valid_area(metas[0], (height, width), size, align_corners)
        return Prediction(full, coarse * area.to(coarse))

    def _logits(
        self, network: BaseSegmentor, images: Tensor, metas: Sequence[dict]
    ) -> Tensor:
        with computing_in(self.precision, images.device):
            if slides(network):
                return network.slide_inference(images, metas)
            return network(images)

    def _combine(
        self,
        logits: Sequence[Tensor],
        weights: Sequence[float],
        size: tuple[int, int],
        align_corners: bool,
    ) -> Strips:
        if self.combination == 'max':
            parts = [
                probabilities(part, size, self.order, align_corners)
                for part in logits
            ]
            return combined(parts, lambda of: torch.stack(of).amax(dim=0))
        if len({part.shape for part in logits}) > 1:
            raise ConfigError(
                'pseudo_labels: the networks of this ensemble differ in '
                "resolution; use combination='max'"
            )
        first, *others = (
            weight / sum(weights) * part
            for weight, part in zip(weights, logits, strict=True)
        )
        total = sum(others, start=first)
        return probabilities(total, size, self.order, align_corners)

    def _output_size(
        self, images: Tensor, metas: Sequence[dict]
    ) -> tuple[int, int]:
        """Size to upsample to in one step; padding is cut off after it."""
        if self.original_size and not _padding(metas[0]):
            height, width = metas[0]['ori_shape']
        else:
            height, width = images.shape[2:]
        return height, width

    def _fit(
        self, full: Strips, metas: Sequence[dict], align_corners: bool
    ) -> Strips:
        """Cut off padding, and then resize if the original size is due."""
        padding = _padding(metas[0])
        if not padding:
            return full
        full = full.cropped(*padding)
        if self.original_size:
            height, width = metas[0]['ori_shape']
            size = height, width
            full = upsampled(full.whole(), size, align_corners)
        return full


def slides(network: BaseSegmentor) -> bool:
    """Whether a network predicts in sliding windows."""
    return network.test_cfg.get('mode', 'whole') == 'slide'


def _padding(meta: dict) -> tuple[int, int, int, int] | None:
    """Left, right, top and bottom, of the pipeline and the preprocessor."""
    none = 0, 0, 0, 0
    left, right, top, bottom = (
        sum(sides)
        for sides in zip(
            meta.get('padding_size') or none,
            meta.get('img_padding_size') or none,
            strict=True,
        )
    )
    total = left, right, top, bottom
    return total if any(total) else None


def valid_area(
    meta: dict,
    size: tuple[int, int],
    coarse: tuple[int, int],
    align_corners: bool,
) -> Tensor:
    """Which cells of a coarse map lie on the image and not on its padding.

    A cell lies where its value does when the map is upsampled.

    Args:
        meta: Meta information of an image.
        size: Height and width of the network's input.
        coarse: Height h and width w of the map.
        align_corners: How the map is upsampled.

    Returns:
        (h, w) bool.
    """
    left, right, top, bottom = _padding(meta) or (0, 0, 0, 0)
    height, width = size
    area = torch.zeros(1, 1, *size)
    area[..., top : height - bottom, left : width - right] = 1
    read = resize(
        area,
        size=coarse,
        mode='bilinear',
        align_corners=align_corners,
        warning=False,
    )
    return read[0, 0] >= 0.5


class EgoMask:
    """Where labels are rejected, whatever the network thinks.

    The pixels do not count in thresholds either: in the published co-training
    code they do, which lowers the threshold of the class that the network
    takes the bonnet for.

    Args:
        path: Image whose pixels that are not 0 show the vehicle; None if no
            vehicle is seen.

    Raises:
        ConfigError: The file can't be read.
    """

    def __init__(self, path: str | None) -> None:
        self._mask: np.ndarray | None = None
        self.digest: str | None = None
        if path is None:
            return
        if not Path(path).is_file():
            raise ConfigError(f'pseudo_labels.ego_mask: no file {path!r}')
        try:
            mask = read_image(path, 'grayscale')
        except DataError as error:
            raise ConfigError(f'pseudo_labels.ego_mask: {error}') from error
        self._mask = (mask > 0).astype(np.uint8)
        self.digest = hashlib.sha256(mask.tobytes()).hexdigest()
        self._resized = lru_cache(maxsize=8)(partial(_resize, self._mask))

    def apply(self, labels: Tensor, coarse: Tensor | None) -> None:
        """Reject labels on the vehicle, in place.

        Args:
            labels: (N, H, W) uint8, set to 255 there.
            coarse: (N, C, h, w) probabilities, set to 0 there; or None.
        """
        if self._mask is None:
            return
        labels.masked_fill_(self._at(labels), IGNORE_ID)
        if coarse is not None:
            coarse.masked_fill_(self._at(coarse), 0)

    def _at(self, maps: Tensor) -> Tensor:
        """The mask (H, W) at the size and on the device of maps."""
        return self._resized(*maps.shape[-2:], maps.device)


def _resize(
    mask: np.ndarray, height: int, width: int, device: torch.device
) -> Tensor:
    resized = cv2.resize(
        mask, (width, height), interpolation=cv2.INTER_NEAREST
    )
    return torch.from_numpy(resized).bool().to(device)
