# Copyright (c) mmuda authors.
"""HRDA: context of whole images and detail of a part, fused by attention."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import Annotated, Any, TypeVar

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.utils import SampleList
from torch import Tensor
from torch.nn import Parameter

from mmuda.registry import MODELS
from mmuda.utils.checks import COUNT, SHARE, Check
from mmuda.utils.config_ranges import PAIR, START
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE

from .prediction import Box, Features, Prediction, View, token_mask_of
from .recompute import blocks_of, recomputed, recomputing
from .scales import (
    Scales,
    Size,
    attention_of,
    attention_weights,
    check_multiple,
    fuse,
    padded,
    part,
    random_box,
    sides_of,
    windows,
)
from .uda_encoder_decoder import UDAEncoderDecoder

Output = TypeVar('Output')

# What a head's logits of one scale are called, after its name.
DETAIL, CONTEXT = '.hr', '.lr'

_BELOW_ONE = Check(
    'numbers of at least 0 with a sum below 1',
    lambda v: min(v) >= 0 and sum(v) < 1,
)


@MODELS.register_module()
class HRDAEncoderDecoder(UDAEncoderDecoder):
    r"""Any backbone and head at two scales, fused by a learned attention.

    The network sees the whole image, made smaller, for context, and a crop of
    it at full resolution for detail. An attention head says, from the
    features of the context, by class and place how much the detail counts.
    In training one crop is drawn for the images of each pass; the attention
    is 0 around it, and the loss has two parts,

    .. math:: (1 - \lambda) L(\text{fused}) + \lambda L(\text{detail}).

    To predict, ``predict_logits`` and all that use it, overlapping crops
    cover the image, in one batch, and their logits are averaged. So it is
    for pseudo-labels, too, whatever the mode of batch norms.

    Features, asked for with a prediction or by ``extract_feat``, are those
    of the context; a training pass has those of its detail beside them.

    From HRDA (Hoyer et al., ECCV 2022), quirks of its published code
    included: the product of context and its weight is upsampled, the loss of
    the context alone is that of this product, and a crop never reaches the
    right and lower end. Random boxes come from PyTorch's global generator on
    the CPU. With several processes each draws its own, for its images.

    Args:
        *args: As of ``UDAEncoderDecoder``.
        decode_head: Config of the head, which decodes both scales.
        detail_crop_size: Height and width of detail crops, (512, 512) for
            images of 1024x1024.
        attention_head: Config of the head that gives the attention, from
            the same levels as the main one. It has as many classes, or
            with ``num_classes=1`` one map for all of them.
        fixed_attention: Weight of the detail in place of an attention head.
        context_scale: Size of the context as a part of the image.
        crop_multiple: Sides of training images and offsets of crops are
            multiples of it. It must itself be one of the output stride of
            the network / ``context_scale``, so that crops lie on the grid
            of the context.
        overlapping_details: Whether crops that cover an image to predict
            overlap by half.
        detail_loss_weight: Weight :math:`\lambda` of the loss on the detail.
        context_loss_weight: Weight of a loss on the context; HRDA has 0.1
            where detail crops are as large as images.
        recompute: Keep no activations of backbone and heads in forward and
            compute them again in backward, bit for bit: half the memory for
            one more forward pass.
        auxiliary_head: Must stay None.
        **kwargs: As of ``UDAEncoderDecoder``.

    Raises:
        ConfigError: There is an auxiliary head, not either an attention head
            or a fixed attention, or a number is out of its range.
    """

    def __init__(
        self,
        *args,
        decode_head: dict,
        detail_crop_size: Annotated[Sequence[int], PAIR],
        attention_head: dict | None = None,
        fixed_attention: Annotated[float, SHARE] | None = None,
        context_scale: Annotated[float, START] = 0.5,
        crop_multiple: Annotated[int, COUNT] = 8,
        overlapping_details: bool = True,
        detail_loss_weight: float = 0.1,
        context_loss_weight: float = 0.0,
        recompute: bool = False,
        auxiliary_head: None = None,
        **kwargs,
    ) -> None:
        if auxiliary_head is not None:
            raise ConfigError(
                'segmentor.auxiliary_head: HRDAEncoderDecoder fuses the main '
                'head alone; set auxiliary_head=None'
            )
        if (attention_head is None) == (fixed_attention is None):
            raise ConfigError(
                'segmentor: HRDAEncoderDecoder needs either attention_head or '
                'fixed_attention'
            )
        super().__init__(*args, decode_head=decode_head, **kwargs)
        self._set_scales(context_scale, detail_crop_size, crop_multiple)
        self._set_losses(context_loss_weight, detail_loss_weight)
        self.overlapping_details = overlapping_details
        self.recompute = recompute
        self.fixed_attention = fixed_attention
        self.attention_head: BaseDecodeHead | None = None
        if attention_head is None:
            SHARE.require(fixed_attention, 'segmentor.fixed_attention')
        else:
            self.attention_head = attention_of(
                attention_head, self.decode_head
            )

    def _set_scales(
        self, scale: float, crop_size: Sequence[int], multiple: int
    ) -> None:
        START.require(scale, 'segmentor.context_scale')
        COUNT.require(multiple, 'segmentor.crop_multiple')
        PAIR.require(crop_size, 'segmentor.detail_crop_size')
        self.context_scale = Fraction(str(scale))
        self.crop_multiple = multiple
        self.detail_crop_size: Size = crop_size[0], crop_size[1]
        if any(side % multiple for side in crop_size):
            raise ConfigError(
                f'segmentor.detail_crop_size={tuple(crop_size)}: both sides '
                f'must be multiples of crop_multiple={multiple}'
            )
        if (multiple * self.context_scale).denominator > 1:
            raise ConfigError(
                f'segmentor.crop_multiple={multiple}: times context_scale='
                f'{scale} it must be a whole number'
            )

    def _set_losses(self, context: float, detail: float) -> None:
        place = 'segmentor.(context_loss_weight, detail_loss_weight)'
        _BELOW_ONE.require((context, detail), place)
        self.loss_weights = {
            DECODE: 1 - context - detail,
            DECODE + CONTEXT: context,
            DECODE + DETAIL: detail,
        }

    def head_of(self, name: str) -> BaseDecodeHead:
        """The head that has made logits of a name, of one scale or both."""
        return super().head_of(name.removesuffix(DETAIL).removesuffix(CONTEXT))

    def parameters_of(self, name: str) -> Iterator[Parameter]:
        """All parameters that predict by a head, the attention's included."""
        own = super().parameters_of(name)
        if self.attention_head is None:
            return own
        return chain(own, self.attention_head.parameters())

    def images_of_features(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) at the scale of the context."""
        height, width = (
            int(side * self.context_scale) for side in sides_of(images)
        )
        return self._resized(images, (height, width))

    def extract_feat(self, inputs: Tensor, mask_ratio: float = 0) -> Features:
        """Features of the context of images; as of ``UDAEncoderDecoder``."""
        return self._encode(self.images_of_features(inputs), mask_ratio)

    def draw_box(self, size: Size) -> Box:
        """Where a training pass sees detail.

        Args:
            size: Height and width of its images.
        """
        return random_box(size, self.detail_crop_size, self.crop_multiple)

    def detail_windows(self, size: Size) -> list[Box]:
        """Where detail is seen to predict.

        Args:
            size: Height and width of the images.
        """
        height, width = map(min, size, self.detail_crop_size)
        steps = 2 if self.overlapping_details else 1
        return windows(
            size, (height, width), (height // steps, width // steps)
        )

    def _see(self, view: View, features: bool = False) -> Prediction:
        if not view.heads:
            return super()._see(view, features)
        images, logits, boxes = view.images, {}, {}
        details: Features = ()
        if not self.training:
            seen = Prediction({})
            if features or view.style:
                seen = super()._see(view._replace(heads=()), features)
            logits = {name: self._covered(name, images) for name in view.heads}
            return seen._replace(logits=logits)
        size = self._trained_size(images)
        # Before dropout draws, which may happen again in backward.
        box = self.draw_box(size)
        levels, style = self._features(images, view.style, view.mask_ratio)
        mask = token_mask_of(self.backbone) if view.mask_ratio else None
        for name in view.heads:
            scales, details = self._at_both_scales(name, view, levels, [box])
            if size != self.detail_crop_size:
                multiple, scale = self.crop_multiple, self.context_scale
                check_multiple(multiple, box, scales.detail, scale)
            logits[name] = scales.fused
            if self.loss_weights[name + CONTEXT]:
                logits[name + CONTEXT] = scales.context
            logits[name + DETAIL] = scales.detail
            boxes[name + DETAIL] = box
        if not features:
            levels = details = ()
        return Prediction(logits, levels, style, boxes, details, mask)

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Logits of (N, 3, H, W) images that are seen in detail everywhere.

        Args:
            inputs: Of any size whose context the backbone can see, which is
                32 pixels for MiT; sides that are no multiples are padded,
                of which nothing is left.

        Returns:
            (N, C, h, w); of images that are padded (N, C, H, W).
        """
        return self._covered(DECODE, inputs)

    def _covered(self, name: str, images: Tensor) -> Tensor:
        whole = padded(images, self.crop_multiple)
        levels = self.extract_feat(whole)
        seen, size = View(whole, (name,)), sides_of(whole)
        boxes = self.detail_windows(size)
        logits = self._at_both_scales(name, seen, levels, boxes)[0].fused
        if whole is images:
            return logits
        height, width = sides_of(images)
        return self._resized(logits, size)[..., :height, :width]

    def _at_both_scales(
        self,
        name: str,
        view: View,
        levels: Features,
        boxes: Sequence[Box],
    ) -> tuple[Scales, Features]:
        """Logits of images whose detail is seen in one box, or everywhere.

        And the features of the detail.
        """
        crops = torch.cat([part(view.images, box) for box in boxes])
        # In this order, as batch norms count what they see.
        detail_levels = self._encode(crops, view.mask_ratio)
        context = self._decode(name, levels)
        detail = self._decode(name, detail_levels)
        scales = fuse(
            context,
            detail,
            self._attention(levels, context),
            boxes,
            sides_of(view.images),
            self.context_scale,
            self.align_corners,
        )
        return scales, detail_levels

    def _attention(self, levels: Features, context: Tensor) -> Tensor:
        if self.attention_head is None:
            assert self.fixed_attention is not None  # one of the two is given
            return torch.full_like(context[:, :1], self.fixed_attention)
        scores = self._run(self.attention_head.forward, levels)
        return attention_weights(scores, context)

    def _encode(self, images: Tensor, mask_ratio: float = 0) -> Features:
        blocks = blocks_of(self.backbone)
        if blocks and self._recomputes():
            with recomputing(blocks):
                return tuple(super().extract_feat(images, mask_ratio))
        return tuple(self._run(super().extract_feat, images, mask_ratio))

    def _decode(self, name: str, features: Features) -> Tensor:
        return self._run(super()._decode, name, features)

    def _run(self, function: Callable[..., Output], *values: Any) -> Output:
        if self._recomputes():
            return recomputed(self, function, *values)
        return function(*values)

    def _recomputes(self) -> bool:
        return self.recompute and torch.is_grad_enabled()

    def _resized(self, maps: Tensor, size: Size) -> Tensor:
        if sides_of(maps) == size:
            return maps
        return resize(
            maps,
            size=size,
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )

    def _trained_size(self, images: Tensor) -> Size:
        """Height and width of images that a training pass can take."""
        height, width = images.shape[2:]
        crop, multiple = self.detail_crop_size, self.crop_multiple
        if height < crop[0] or width < crop[1]:
            raise ConfigError(
                f'images of {width}x{height} pixels are smaller than '
                f'segmentor.detail_crop_size={crop}; crop the images larger '
                'in the pipeline, or the detail smaller'
            )
        if height % multiple or width % multiple:
            raise ConfigError(
                f'images of {width}x{height} pixels: HRDAEncoderDecoder '
                f'trains on multiples of segmentor.crop_multiple={multiple}; '
                'crop them so in the pipeline'
            )
        return height, width

    def losses(
        self,
        prediction: Prediction,
        labels: Tensor,
        weights: Tensor | None = None,
        pseudo: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted losses of both scales; as of ``UDAEncoderDecoder``.

        Args:
            prediction: Of a training pass, or of images seen everywhere.
            labels: (N, H, W) train ids, 255 = ignored.
            weights: (N, H, W) factors of the pixels' losses.
            pseudo: (N, H, W) bool, where labels are pseudo-labels.

        Returns:
            Losses of the fused logits under ``decode``, of the detail under
            ``decode.hr`` and of the context under ``decode.lr``; without
            those whose weight is 0.
        """
        losses: dict[str, Tensor] = {}
        for name, logits in prediction.logits.items():
            weight = self.loss_weights[name]
            if not weight:
                continue
            part = prediction._replace(logits={name: logits})
            found = super().losses(part, labels, weights, pseudo)
            losses |= {
                key: weight * value if 'loss' in key else value
                for key, value in found.items()
            }
        return losses

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Losses of a training pass by mmseg's tools, without a method."""
        labels = [sample.gt_sem_seg.data for sample in data_samples]
        prediction = self._see(View(inputs, (DECODE,)))
        return self.losses(prediction, torch.cat(labels).long())
