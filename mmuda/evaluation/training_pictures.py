# Copyright (c) mmuda authors.
"""Pictures of training images, of what is learned from them, and predicted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from mmseg.models import SegDataPreProcessor
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmuda.models.losses import entropy_map
from mmuda.models.players import unwrap
from mmuda.models.uda.collaborative_self_training import denormalised, to_rgb
from mmuda.utils.drawing import colourise, displayable, heat_map

_COLOURS = 3
_BRIGHTEST = 255
# Of what was normalised, in shares of white.
_ROUNDING = 1e-3
_LABELS = {'gt_sem_seg': 'label', 'pseudo_sem_seg': 'pseudo-label'}


@torch.no_grad()
def predict_logits(
    model: BaseSegmentor, image: Tensor, sample: SegDataSample
) -> Tensor:
    """Logits of the head that predicts, for an image as the loader gives it.

    Args:
        model: A UDA model without a distributed wrapper.
        image: (3, H, W) uint8.
        sample: Its data sample.

    Returns:
        (1, C, H, W) logits at the size of the image.
    """
    data = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]))
    segmentor = unwrap(model.segmentor)
    with _evaluating(segmentor):
        logits = segmentor(data['inputs'])
    logits = model.upsample(logits, data['inputs'])
    # The preprocessor may have padded on the right and at the bottom.
    return logits[..., : image.shape[1], : image.shape[2]]


def input_tiles(
    image: Tensor, sample: SegDataSample, palette: list
) -> dict[str, np.ndarray]:
    """Pictures of what a pipeline gives, by title.

    Args:
        image: (3, H, W) uint8, BGR.
        sample: Holds a label, a pseudo-label or none.
        palette: (C, 3) RGB colours.

    Returns:
        (H, W, 3) pictures: image, and labels if any.
    """
    # (C, H, W) -> (H, W, C)
    tiles = {'image': displayable(image.permute(1, 2, 0).cpu().numpy())}
    for field, title in _LABELS.items():
        if field in sample:
            label = sample.get(field).data[0].cpu().numpy()
            tiles[title] = colourise(label, palette)
    return tiles


def domain_tiles(
    image: Tensor,
    sample: SegDataSample,
    logits: Tensor,
    palette: list,
) -> dict[str, np.ndarray]:
    """Pictures of one image, by title.

    Args:
        image: (3, H, W) uint8, BGR.
        sample: Holds a label, a pseudo-label or none.
        logits: (1, C, H, W).
        palette: (C, 3) RGB colours.

    Returns:
        (H, W, 3) pictures: image, labels if any, prediction and entropy.
    """
    tiles = input_tiles(image, sample, palette)
    prediction = logits[0].argmax(dim=0).cpu().numpy()
    tiles['prediction'] = colourise(prediction, palette)
    tiles['entropy'] = heat_map(entropy_map(logits)[0].cpu().numpy())
    return tiles


def learned_tiles(
    source: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    shown: Mapping[str, Tensor],
    preprocessor: SegDataPreProcessor,
    palette: list,
) -> dict[str, np.ndarray]:
    """Pictures of what was learned from a target image, by title.

    Args:
        source: Pictures of a source image, as of :func:`domain_tiles`.
        target: Pictures of the target image; those of the source if it is
            learned once more, masked.
        shown: What a model has shown of it, see ``BaseUDA.show``.
        preprocessor: What has normalised images.
        palette: (C, 3) RGB colours.

    Returns:
        (H, W, 3) pictures: both images, the pseudo-label and how sure the
        teacher is (bright: 1), the mixed image with its label and the masked
        one, as far as there are such, and the prediction.
    """
    tiles = {'source': source['image']}
    if target is not source:
        tiles['target'] = target['image']
    size = target['image'].shape[:2]
    tiles |= shown_tiles(shown, size, preprocessor, palette)
    return tiles | {'prediction': target['prediction']}


def shown_tiles(
    shown: Mapping[str, Tensor],
    size: tuple[int, ...],
    preprocessor: SegDataPreProcessor,
    palette: list,
) -> dict[str, np.ndarray]:
    """Pictures of what a model has made of an image, by title.

    Args:
        shown: See ``BaseUDA.show``.
        size: Height and width of the image.
        preprocessor: What has normalised images.
        palette: (C, 3) RGB colours.

    Returns:
        (H, W, 3) pictures: the pseudo-label and how sure the teacher is
        (bright: 1), the mixed image and its label, and masked ones, as far
        as there are such.
    """
    height, width = size
    tiles = {}
    # The preprocessor may have padded.
    maps = {name: m[..., :height, :width] for name, m in shown.items()}
    if 'pseudo_label' in maps:
        label = maps['pseudo_label'].cpu().numpy()
        tiles['pseudo-label'] = colourise(label, palette)
    if 'confidence' in maps:
        tiles['confidence'] = heat_map(maps['confidence'].cpu().numpy())
    if 'mixed' in maps:
        tiles['mixed'] = _denormalised(maps['mixed'], preprocessor)
    if 'mixed_label' in maps:
        label = maps['mixed_label'].cpu().numpy()
        tiles['mixed label'] = colourise(label, palette)
    learned = [name for name in maps if name.startswith('masked')]
    for name in learned:
        tiles[name] = _denormalised(maps[name], preprocessor)
    return tiles


def _denormalised(
    image: Tensor, preprocessor: SegDataPreProcessor
) -> np.ndarray:
    if len(image) != _COLOURS:
        values = denormalised(preprocessor, image[None])[0].permute(1, 2, 0)
        return displayable(values.cpu().numpy())
    colors = to_rgb(preprocessor, image[None])[0].permute(1, 2, 0)
    rounded = colors.round()
    if _is_share(colors):
        rounded = colors.clamp(0, 1)
    elif rounded.min() >= 0 and rounded.max() <= _BRIGHTEST:
        return rounded.cpu().numpy().astype(np.uint8)
    # Of other units than those of 8 bits; BGR is what it takes.
    return displayable(rounded.flip(2).cpu().numpy())


def _is_share(colors: Tensor) -> bool:
    """Whether values go from 0 to 1, and are not those of a black image."""
    least, most = float(colors.min()), float(colors.max())
    parts = float((colors - colors.round()).abs().max())
    return least > -_ROUNDING and most < 1 + _ROUNDING and parts > _ROUNDING


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards each part has the mode that it had."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
