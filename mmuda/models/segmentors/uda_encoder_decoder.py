# Copyright (c) mmuda authors.
"""A segmentor whose forward gives the logits of every head."""

import logging
from collections.abc import Iterable, Iterator, Mapping

import torch.distributed as dist
from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.utils import SampleList, add_prefix
from torch import Tensor, float32, nn, promote_types
from torch.nn import Parameter
from torch.nn.modules.batchnorm import _BatchNorm

from mmuda.models.losses import (
    average_cross_entropy,
    losses_of,
    losses_of_head,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import AUX, DECODE

from .part_checks import check_parts
from .precise_layers import predict_precisely
from .prediction import (
    Box,
    Features,
    Prediction,
    Style,
    View,
    check_not_small,
    crop,
    token_mask_of,
)
from .strip_predictions import (
    LOGITS,
    predict_in_strips,
    strips_of,
    upsamples_once,
)
from .strips import Strips

_MARK = '_mmuda_single_values'
_SINGLE = '_is_single_valued'


@MODELS.register_module()
class UDAEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` for training under UDA methods.

    Everything that is trained has to run through ``forward``, or gradients
    would not be synchronised between processes. Asked for heads it gives a
    :class:`Prediction`, of which :meth:`losses` computes losses.

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

    #: What predictions hold beside the classes; see ``choose_outputs``.
    outputs: frozenset[str] = frozenset([LOGITS])
    #: Logits of a strip at most; None for what suits the device.
    strip_values: int | None = None

    def __init__(self, *args, test_cfg: dict | None = None, **kwargs) -> None:
        test_cfg = ConfigDict(test_cfg or dict(mode='whole'))
        super().__init__(*args, test_cfg=test_cfg, **kwargs)
        check_parts(self.decode_head, self.heads(), test_cfg)
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
        predict_precisely(self.backbone, self.heads().values(), not mode)
        return super().train(mode)

    def heads(self) -> dict[str, BaseDecodeHead]:
        """All heads by name, the main one first."""
        heads = {DECODE: self.decode_head}
        if self.with_auxiliary_head:
            auxiliary = self.auxiliary_head
            if isinstance(auxiliary, BaseDecodeHead):
                heads[AUX] = auxiliary
            else:
                heads |= {f'{AUX}_{i}': h for i, h in enumerate(auxiliary)}
        return heads

    def head_of(self, name: str) -> BaseDecodeHead:
        """The head that has made logits of a name, and has their losses."""
        return self.heads()[name]

    def parameters_of(self, name: str) -> Iterator[Parameter]:
        """All parameters that predict by a head, those of backbones aside."""
        return self.heads()[name].parameters()

    def images_of_features(self, images: Tensor) -> Tensor:
        """What the backbone sees of images for the features of a prediction.

        For another backbone whose features are compared with them.

        Args:
            images: (N, 3, H, W) normalised images.
        """
        return images

    def forward(
        self,
        inputs: Tensor | View | Mapping[str, View],
        data_samples: SampleList | None = None,
        mode: str = 'tensor',
        heads: Iterable[str] | None = None,
        features: bool = False,
    ) -> Prediction | Tensor | SampleList:
        """Predict with some heads, or do what mmseg's ``forward`` does.

        Args:
            inputs: (N, 3, H, W) normalised images, a view of some, or several
                views that ask for different heads, by name.
            data_samples: As in mmseg.
            mode: As in mmseg; ``tensor`` gives the logits of the head that
                predicts.
            heads: Names of the heads that predict; several views name theirs,
                and one may.
            features: Whether features are wanted, too; of several views there
                are none.

        Returns:
            A :class:`Prediction` of views, or if heads or features are asked
            for; otherwise what mmseg gives.

        Raises:
            ValueError: Heads or features are asked for beside several views.
        """
        if isinstance(inputs, Mapping):
            if heads is not None or features:
                raise ValueError('several views: ask for heads in each')
            return self._see_all(inputs)
        if isinstance(inputs, View):
            asked = inputs.heads if heads is None else tuple(heads)
            return self._see(inputs._replace(heads=asked), features)
        if heads is not None or features:
            return self._see(View(inputs, tuple(heads or ())), features)
        return super().forward(inputs, data_samples, mode)

    def _see(self, view: View, features: bool = False) -> Prediction:
        levels, style = self._features(
            view.images, view.style, view.mask_ratio
        )
        mask = token_mask_of(self.backbone) if view.mask_ratio else None
        logits = {name: self._decode(name, levels) for name in view.heads}
        levels = levels if features else ()
        return Prediction(logits, levels, style, token_mask=mask)

    def _see_all(self, views: Mapping[str, View]) -> Prediction:
        return self._joined([self._see(view) for view in views.values()])

    def _joined(self, parts: Iterable[Prediction]) -> Prediction:
        logits: dict[str, Tensor] = {}
        boxes: dict[str, Box] = {}
        for part in parts:
            if twice := logits.keys() & part.logits.keys():
                raise ValueError(f'several views ask for {sorted(twice)}')
            logits |= part.logits
            boxes |= part.boxes
        return Prediction(logits, boxes=boxes)

    def _features(
        self, images: Tensor, style: Style, mask_ratio: float = 0
    ) -> tuple[Features, Style]:
        if style:
            raise ConfigError(
                f'{type(self).__name__} has no style_layers; take a '
                'MultiHeadEncoderDecoder'
            )
        return tuple(self.extract_feat(images, mask_ratio)), ()

    def extract_feat(self, inputs: Tensor, mask_ratio: float = 0) -> Features:
        """Features of the backbone and neck.

        Args:
            inputs: (N, 3, H, W) normalised images.
            mask_ratio: Share of the backbone's patch tokens that are masked.

        Raises:
            ConfigError: Tokens are masked that the backbone does not have,
                or images are smaller than it can see.
        """
        if mask_ratio:
            self._require_tokens()
        try:
            if not mask_ratio:
                return super().extract_feat(inputs)
            levels = self.backbone(inputs, mask_ratio=mask_ratio)
        except RuntimeError as error:
            check_not_small(error, inputs, self.backbone)
            raise
        return self.neck(levels) if self.with_neck else levels

    def learn_mask_token(self) -> None:
        """Have the backbone's mask token trained, before optimizers are built.

        Raises:
            ConfigError: It has none.
        """
        self._require_tokens()
        self.backbone.learn_mask_token()

    def _require_tokens(self) -> None:
        if not getattr(self.backbone, 'masks_tokens', False):
            raise ConfigError(
                f'{type(self.backbone).__name__} has no patch tokens to mask; '
                'mask pixels, or take a backbone with a mask token '
                '(DINOVisionTransformer)'
            )

    def _decode(self, name: str, features: Features) -> Tensor:
        logits = self.heads()[name].forward(features)
        # What is computed of them is not in 16 bits in mixed precision.
        return logits.to(promote_types(logits.dtype, float32))

    def _forward(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> Tensor:
        return self.predict_logits(inputs)

    def losses(
        self,
        prediction: Prediction,
        labels: Tensor,
        weights: Tensor | None = None,
        pseudo: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Losses of the heads that predicted, by their ``loss_decode``.

        It uses no parameter, so it may be called on the unwrapped segmentor.

        Args:
            prediction: Logits (N, C, h, w) by head, and their boxes.
            labels: (N, H, W) train ids, 255 = ignored.
            weights: (N, H, W) factors of losses, in place of samplers (OHEM).
            pseudo: (N, H, W) bool, pseudo-labels, whose ``class_weight`` is 1.

        Returns:
            Losses ``<head>.<loss>``, and accuracies, whose average over
            processes is that of all labelled pixels, NaN of none.
        """
        losses: dict[str, Tensor] = {}
        for name, logits in prediction.logits.items():
            maps = labels, weights, pseudo
            if name in prediction.boxes:
                maps = crop(prediction.boxes[name], *maps)
            found = losses_of_head(self.head_of(name), logits, *maps)
            losses |= add_prefix(found, name)
        return losses

    def predict(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> SampleList:
        """Predict the classes at the size of each original image.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: Meta information (and labels) of each image.

        Returns:
            Samples as mmseg's ``EncoderDecoder`` gives them, without
            ``seg_logits`` where ``outputs`` does not ask for them.
        """
        if data_samples and self.predicts_in_strips():
            return predict_in_strips(self, inputs, data_samples)
        return super().predict(inputs, data_samples)

    def predicts_in_strips(self) -> bool:
        """Whether logits at full size are neither wanted nor needed."""
        own = type(self.predicting_head).predict_by_feat
        return (
            LOGITS not in self.outputs
            and self.out_channels > 1
            and own is BaseDecodeHead.predict_by_feat
        )

    def output_strips(
        self, inputs: Tensor, metas: list[dict]
    ) -> Iterator[Strips]:
        """The logits (1, C, H, W) of each image at its original size.

        Args:
            inputs: (N, 3, H, W) normalised images.
            metas: Meta information of each image.
        """
        return strips_of(self, inputs, metas)

    @property
    def predicting_head(self) -> BaseDecodeHead:
        """The head that validation and testing use."""
        return self.decode_head

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Logits of the predicting head, (N, C, h, w), of (N, 3, H, W)."""
        return self._decode(DECODE, self.extract_feat(inputs))

    def encode_decode(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Logits of the predicting head, as mmseg's inference uses it.

        Args:
            inputs: (N, 3, H, W) normalised images.
            batch_img_metas: Meta information of each image.

        Returns:
            (N, C, H, W), or (N, C, h, w) at the network's resolution with
            ``upsample_once``.
        """
        logits = self.predict_logits(inputs)
        if upsamples_once(self.test_cfg, batch_img_metas):
            return logits
        return self.predicting_head.predict_by_feat(logits, batch_img_metas)


def allow_single_values(module: nn.Module) -> None:
    """Let batch norms train on a batch with one value in each channel.

    Image pooling (ASPP, PSP and UPer heads) leaves one value a channel and
    image; with one image a batch there is no deviation to divide by, and
    PyTorch raises. Such a batch is normalised by the running statistics
    instead, as in testing, and does not change them. In a new head, whose
    statistics are 0 and 1, the norm then is its scale and shift alone.

    Args:
        module: Its batch norms are changed, each once.
    """
    for name, norm in module.named_modules():
        if isinstance(norm, _BatchNorm) and not hasattr(norm, _MARK):
            # The name is for the message; the mark is copied with the hooks.
            setattr(norm, _MARK, name)
            norm.register_forward_pre_hook(_before)
            norm.register_forward_hook(_after, always_call=True)


def _before(norm: _BatchNorm, inputs: tuple[Tensor, ...]) -> None:
    values = inputs[0]
    if (
        norm.training
        and norm.running_mean is not None
        and values.numel() == values.shape[1]
        and not _synchronised(norm)
    ):
        norm.training = False
        setattr(norm, _SINGLE, True)
        if getattr(norm, _MARK):
            print_log(
                f'{getattr(norm, _MARK)}: a batch of one image has one value '
                'a channel here, and is normalised by the running statistics,'
                ' as in testing; with batch_size=2 or more by its own',
                logger='current',
                level=logging.WARNING,
            )
            setattr(norm, _MARK, '')


def _after(norm: _BatchNorm, *_: object) -> None:
    if getattr(norm, _SINGLE, False):
        norm.training = True
        setattr(norm, _SINGLE, False)


def _synchronised(norm: _BatchNorm) -> bool:
    """Whether the values of several processes are normalised together."""
    return (
        isinstance(norm, nn.SyncBatchNorm)
        and dist.is_initialized()
        and dist.get_world_size(norm.process_group) > 1
    )
