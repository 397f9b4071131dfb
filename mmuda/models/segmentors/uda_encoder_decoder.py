# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A segmentor whose forward gives the logits of every head."""

from functools import partial

import torch
from mmengine.config import ConfigDict
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.utils import SampleList, add_prefix
from torch import Tensor, nn

from mmuda.models.losses import average_cross_entropy, process_share
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .plane_predictions import (
    LOGITS,
    MAX_VALUES,
    Planes,
    fit_to_image,
    is_large,
    predict_large_images,
)
from .single_values import allow_single_values

_HEAD_METHODS = ('loss', 'predict', 'loss_by_feat')
_TEST_KEYS = ('mode', 'crop_size', 'stride', 'upsample_once')


@MODELS.register_module()
class UDAEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` for training under UDA methods.

    Everything that is trained has to run through ``forward``, or gradients
    would not be synchronised between processes. So ``mode='tensor'`` returns
    the logits of all heads, and losses are computed from logits alone.

    Heads are named ``decode`` (main), ``aux`` (a single auxiliary head) or
    ``aux_0``, ``aux_1``, ... (a list of them), as in mmseg's loss names.

    Args:
        *args: As of mmseg's ``EncoderDecoder``.
        test_cfg: As of mmseg's, with one more key. ``upsample_once=True``
            resizes the logits in one step from the network's resolution to
            the original image (the published evaluation of ADVENT), where
            mmseg resizes them twice. Padded images are resized twice anyway.
        **kwargs: As of mmseg's ``EncoderDecoder``.

    Raises:
        ConfigError: A head's loss needs more than its logits (cascades,
            PointRend, MaskFormer and the like), the heads disagree in the
            number of classes, or ``test_cfg`` has an unknown key.
    """

    #: What predictions of large images hold; see ``choose_outputs``.
    outputs: frozenset[str] = frozenset([LOGITS])
    #: Logits of an image up to which it is not large.
    max_values: int = MAX_VALUES

    def __init__(self, *args, test_cfg: dict | None = None, **kwargs) -> None:
        test_cfg = ConfigDict(test_cfg or dict(mode='whole'))
        super().__init__(*args, test_cfg=test_cfg, **kwargs)
        if not isinstance(self.decode_head, BaseDecodeHead):
            raise ConfigError(
                'decode_head: cascades of heads are not supported under UDA'
            )
        for name, head in self.heads().items():
            _check_head(name, head)
            if head.num_classes != self.num_classes:
                raise ConfigError(
                    f"head '{name}' has {head.num_classes} classes, the main "
                    f'one {self.num_classes}; set num_classes of all alike'
                )
        for key in test_cfg:
            if key not in _TEST_KEYS:
                raise ConfigError(
                    f"segmentor.test_cfg: unknown key '{key}'; there are "
                    f'{list(_TEST_KEYS)}'
                )
        self.average_losses()

    def average_losses(self) -> None:
        """Let the losses of all heads be means over all processes."""
        for head in self.heads().values():
            for loss in losses_of(head):
                average_cross_entropy(loss)

    def train(self, mode: bool = True) -> 'UDAEncoderDecoder':
        """Set the mode; batch norms of single values train, too.

        Args:
            mode: Training or evaluation.
        """
        # Here, as parts may be replaced after the constructor.
        allow_single_values(self)
        return super().train(mode)

    def heads(self) -> dict[str, BaseDecodeHead]:
        """All heads by name, the main one first."""
        heads = {'decode': self.decode_head}
        if self.with_auxiliary_head:
            auxiliary = self.auxiliary_head
            if isinstance(auxiliary, BaseDecodeHead):
                heads['aux'] = auxiliary
            else:
                heads |= {f'aux_{i}': h for i, h in enumerate(auxiliary)}
        return heads

    def _forward(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> dict[str, Tensor]:
        """Logits of every head.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: Not used.

        Returns:
            (N, C, h, w) logits by head, at the head's own resolution.
        """
        features = self.extract_feat(inputs)
        return {
            name: head.forward(features) for name, head in self.heads().items()
        }

    def loss_from_logits(
        self, logits: dict[str, Tensor], data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Losses of the heads that ``logits`` names.

        It uses no parameter, so it may be called on the unwrapped segmentor.

        Args:
            logits: (N, C, h, w) by head.
            data_samples: Labels in ``gt_sem_seg``.

        Returns:
            Losses as of the head's ``loss_by_feat``, named ``<head>.<loss>``.
            The average of ``acc_seg`` over processes is that of all labelled
            pixels; it is not a number if there is none.
        """
        heads = self.heads()
        labels = torch.stack([s.gt_sem_seg.data for s in data_samples])
        shares = {
            index: process_share((labels != index).sum())
            for index in sorted({heads[name].ignore_index for name in logits})
        }
        losses = {}
        for name, values in logits.items():
            loss = heads[name].loss_by_feat(values, data_samples)
            # mmseg has an accuracy of 100 % on no pixel.
            loss['acc_seg'] = (
                loss['acc_seg'] * shares[heads[name].ignore_index]
            )
            losses |= add_prefix(loss, name)
        return losses

    def predict(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> SampleList:
        """Predict the classes at the size of each original image.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: Meta information (and labels) of each image.

        Returns:
            Samples as mmseg's ``EncoderDecoder`` gives them. Large images
            have no ``seg_logits`` where ``outputs`` does not ask for them.
        """
        metas = [sample.metainfo for sample in data_samples or ()]
        if metas and self.predicts_by_planes(metas):
            return predict_large_images(self, inputs, data_samples)
        return super().predict(inputs, data_samples)

    def predicts_by_planes(self, metas: list[dict]) -> bool:
        """Whether logits of a batch are not wanted, large and separable.

        Args:
            metas: Meta information of each image.
        """
        own = type(self.predicting_head).predict_by_feat
        return (
            LOGITS not in self.outputs
            and self.out_channels > 1
            and own is BaseDecodeHead.predict_by_feat
            and is_large(self.out_channels, metas, self.max_values)
        )

    def output_planes(self, inputs: Tensor, metas: list[dict]) -> list[Planes]:
        """Logits of each image at its original size, some classes at a time.

        Args:
            inputs: (N, 3, H, W) normalised images.
            metas: Meta information of each image.
        """
        slides = self.test_cfg.get('mode', 'whole') == 'slide'
        logits = (
            self.slide_inference(inputs, metas)
            if slides
            else self.predict_logits(inputs)
        )
        once = slides or self._upsamples_once(metas)
        head = self.predicting_head

        def planes(index: int, first: int, last: int) -> Tensor:
            part = logits[index : index + 1, first:last]
            if not once:
                part = head.predict_by_feat(part, metas)
            return fit_to_image(part, metas[index], self.align_corners)

        return [partial(planes, index) for index in range(len(metas))]

    @property
    def predicting_head(self) -> BaseDecodeHead:
        """The head that validation and testing use."""
        return self.decode_head

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Logits of the predicting head, (N, C, h, w), of (N, 3, H, W)."""
        return self.decode_head.forward(self.extract_feat(inputs))

    def encode_decode(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Logits of the main head, as the inference methods of mmseg use it.

        Args:
            inputs: (N, 3, H, W) normalised images.
            batch_img_metas: Meta information of each image.

        Returns:
            (N, C, H, W), or (N, C, h, w) at the network's resolution with
            ``upsample_once``.
        """
        if not self._upsamples_once(batch_img_metas):
            return super().encode_decode(inputs, batch_img_metas)
        return self.predict_logits(inputs)

    def _upsamples_once(self, batch_img_metas: list[dict]) -> bool:
        return (
            self.test_cfg.get('upsample_once', False)
            and self.test_cfg.get('mode', 'whole') == 'whole'
            and not any(
                any(meta.get(key) or ())
                for meta in batch_img_metas
                for key in ('padding_size', 'img_padding_size')
            )
        )


def losses_of(head: BaseDecodeHead) -> list[nn.Module]:
    """Losses of a head, whether it has one or several."""
    losses = head.loss_decode
    return list(losses) if isinstance(losses, nn.ModuleList) else [losses]


def _check_head(name: str, head: BaseDecodeHead) -> None:
    for method in _HEAD_METHODS:
        if getattr(type(head), method) is not getattr(BaseDecodeHead, method):
            raise ConfigError(
                f"head '{name}': {type(head).__name__} has a {method}() of "
                'its own; UDA methods need a head whose forward returns '
                'logits and whose loss is computed from them (FCNHead, '
                'ASPPHead, DepthwiseSeparableASPPHead, SegformerHead, '
                'UPerHead, DLV2Head, ...)'
            )
