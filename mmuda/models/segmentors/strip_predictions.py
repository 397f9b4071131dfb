# Copyright (c) mmuda authors.
"""Predictions without the logits of all classes at the size of the image."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor, float32, nn, promote_types

from mmuda.models.losses.alignment import entropy_map

from .strips import Strips, upsampled

if TYPE_CHECKING:
    from .uda_encoder_decoder import UDAEncoderDecoder

LOGITS, ENTROPY, STRIPS = 'logits', 'entropy', 'strips'
# Strips beside the classes, for what looks at all logits bit by bit.
KEPT_STRIPS = 'kept_strips'


class StripSegmentor(Protocol):
    """A segmentor that gives its logits strip by strip.

    Attributes:
        outputs: What predictions hold beside classes; see ``choose_outputs``.
        strip_values: Logits of a strip at most; None for what suits the
            device.
    """

    outputs: frozenset[str]
    strip_values: int | None

    def output_strips(
        self, inputs: Tensor, metas: list[dict]
    ) -> Iterator[Strips]:
        """Logits (1, C, H, W) of each image at its original size."""


def choose_outputs(model: nn.Module, outputs: Iterable[str]) -> None:
    """Say what is needed of the predictions of a model beside the classes.

    Args:
        model: A model; all segmentors inside are told.
        outputs: ``logits``; or without them ``entropy`` and ``kept_strips``
            (the field ``strips``), or ``strips`` and no classes.
    """
    for module in model.modules():
        if hasattr(module, 'outputs'):
            segmentor: BaseSegmentor = module
            segmentor.outputs = frozenset(outputs)


def predict_in_strips(
    model: StripSegmentor, inputs: Tensor, samples: SampleList
) -> SampleList:
    """Predict a batch with a model that gives strips.

    Args:
        model: A segmentor.
        inputs: (N, 3, H, W) normalised images.
        samples: Meta information of each image.

    Returns:
        The samples, with what ``model.outputs`` asks for.
    """
    metas = [sample.metainfo for sample in samples]
    parts = model.output_strips(inputs, metas)
    for sample, strips in zip(samples, parts, strict=True):
        if STRIPS in model.outputs:
            sample.set_field(strips, STRIPS)
        else:
            entropy = entropy_map if ENTROPY in model.outputs else None
            add_classes(sample, strips, entropy, model.strip_values)
            if KEPT_STRIPS in model.outputs:
                sample.set_field(strips, STRIPS)
    return samples


def strips_of(
    network: 'UDAEncoderDecoder', inputs: Tensor, metas: list[dict]
) -> Iterator[Strips]:
    """Yield the logits (1, C, H, W) of each image at its original size.

    Args:
        network: Predicts at its own resolution, or slides.
        inputs: (N, 3, H, W) normalised images.
        metas: Meta information of each image.
    """
    slides = network.test_cfg.get('mode', 'whole') == 'slide'
    logits = (
        network.slide_inference(inputs, metas)
        if slides
        else network.predict_logits(inputs)
    )
    if slides or upsamples_once(network.test_cfg, metas):
        for part, meta in zip(logits.split(1), metas, strict=True):
            yield fit_to_image(part, meta, network.align_corners)
        return
    size = input_size(metas)
    for part, meta in zip(logits.split(1), metas, strict=True):
        seen = upsampled(part, size, network.predicting_head.align_corners)
        if is_input_itself(meta, size):
            yield seen
            continue
        fitted = fit_to_image(seen.whole(), meta, network.align_corners)
        if not any(padding_of(meta)):
            fitted = replace(fitted, coarse=partial(_unflipped, part, meta))
        yield fitted


def upsamples_once(test_cfg: Mapping[str, Any], metas: list[dict]) -> bool:
    """Whether logits are resized in one step to the original image.

    Args:
        test_cfg: Of a segmentor.
        metas: Meta information of each image; padded ones are resized twice.
    """
    return (
        test_cfg.get('upsample_once', False)
        and test_cfg.get('mode', 'whole') == 'whole'
        and not any(
            any(meta.get(key) or ())
            for meta in metas
            for key in ('padding_size', 'img_padding_size')
        )
    )


def add_classes(
    sample: SegDataSample,
    strips: Strips,
    entropy: Callable[[Tensor], Tensor] | None,
    limit: int | None = None,
) -> None:
    """Add ``pred_sem_seg`` to a sample, as the whole image would give it.

    Args:
        sample: Of an image (H, W).
        strips: Logits or probabilities (1, C, H, W).
        entropy: Gives the ``entropy`` (1, H, W), which is added, too, of
            values (1, C, H, W); None adds none.
        limit: Values of a strip at most; None for what suits the device.
    """
    shape, device = (1, *strips.shape[2:]), strips.device
    label = torch.empty(shape, dtype=torch.long, device=device)
    values = torch.empty(shape, device=device)
    for columns, strip in strips.parts(limit):
        # As argmax, in a fifth of its time on a CPU.
        label[..., columns] = strip.max(dim=1).indices
        if entropy is not None:
            values[..., columns] = entropy(strip)
    data = dict(pred_sem_seg=PixelData(data=label))
    if entropy is not None:
        data['entropy'] = PixelData(data=values)
    sample.set_data(data)


def fit_to_image(logits: Tensor, meta: dict, align_corners: bool) -> Strips:
    """Bring logits of the network's input to the original image.

    As mmseg's ``postprocess_result``: padding is cut off, flipping undone.

    Args:
        logits: (1, C, h, w).
        meta: Meta information of the image.
        align_corners: How they are resized.

    Returns:
        (1, C, H, W).
    """
    left, right, top, bottom = padding_of(meta)
    height, width = logits.shape[2:]
    logits = logits[..., top : height - bottom, left : width - right]
    logits = _unflipped(logits, meta)
    size = height, width = meta['ori_shape'][:2]
    return upsampled(
        logits.to(promote_types(logits.dtype, float32)), size, align_corners
    )


def _unflipped(logits: Tensor, meta: dict) -> Tensor:
    if not meta.get('flip'):
        return logits
    horizontal = meta['flip_direction'] == 'horizontal'
    return logits.flip(dims=(3 if horizontal else 2,))


def padding_of(meta: dict) -> tuple[int, int, int, int]:
    """Left, right, top and bottom, as mmseg cuts them off a prediction."""
    key = 'img_padding_size' if 'img_padding_size' in meta else 'padding_size'
    left, right, top, bottom = meta.get(key) or (0, 0, 0, 0)
    return left, right, top, bottom


def input_size(metas: list[dict]) -> tuple[int, int]:
    """Height and width that a head resizes its logits to.

    As mmseg's ``BaseDecodeHead.predict_by_feat``.

    Args:
        metas: Meta information of the images of a batch.
    """
    meta = metas[0]
    shape = meta['img_shape']
    if not isinstance(shape, torch.Size) and 'pad_shape' in meta:
        shape = meta['pad_shape']
    height, width = shape[:2]
    return height, width


def is_input_itself(meta: dict, size: tuple[int, int]) -> bool:
    """Whether an image is the network's input, without any change of frame.

    Args:
        meta: Meta information of the image.
        size: Height and width of the input.
    """
    unchanged = not meta.get('flip') and not any(padding_of(meta))
    return unchanged and tuple(meta['ori_shape'][:2]) == size
