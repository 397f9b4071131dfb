# Copyright (c) mmuda authors.
"""Predictions in mixed precision whose outermost layers are in float32.

Bfloat16 has 8 bits: it rounds grey values of an image that is not scaled to
one standard deviation by up to half a level, and logits of classes that are
nearly as probable to the same number. On networks of the demo two of three
pixels whose class is another in bfloat16 are so by the first and the last
layer, which take a few hundredths of the time.
"""

from collections.abc import Iterable

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmuda.models.decode_heads import DLV2Head

_DEVICE = '_mmuda_autocast_device'
_HANDLES = '_mmuda_precise_handles'
_CHANNELS = 3  # of an image


def predict_precisely(
    backbone: nn.Module, heads: Iterable[BaseDecodeHead], predicts: bool
) -> None:
    """Let the outermost layers compute in float32 when they predict.

    Training, which needs no order of classes, stays in 16 bits.

    Args:
        backbone: Its first layers are changed, each once.
        heads: Their last layers are.
        predicts: Whether the network will predict; otherwise the layers
            become what they were.
    """
    layers = first_layers(backbone)
    for head in heads:
        layers += last_layers(head)
    for layer in layers:
        handles = layer.__dict__.pop(_HANDLES, ())
        for handle in handles:
            handle.remove()
        if predicts:
            before = layer.register_forward_pre_hook(_before)
            after = layer.register_forward_hook(_after, always_call=True)
            layer.__dict__[_HANDLES] = (before, after)


def first_layers(backbone: nn.Module) -> list[nn.Module]:
    """Convolutions of images.

    Args:
        backbone: Any.
    """
    return [
        module
        for module in backbone.modules()
        if isinstance(module, nn.Conv2d) and module.in_channels == _CHANNELS
    ]


def last_layers(head: BaseDecodeHead) -> list[nn.Module]:
    """Layers whose outputs are logits, or are added to logits.

    Args:
        head: Of mmseg's it is the classifier ``conv_seg``, of ours that has
            none the branches of ``DLV2Head``.
    """
    if isinstance(head, DLV2Head):
        return list(head.convs)
    layer = getattr(head, 'conv_seg', None)
    return [] if layer is None else [layer]


def _before(
    layer: nn.Module, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...] | None:
    device = inputs[0].device.type
    if torch.is_grad_enabled() or not torch.is_autocast_enabled(device):
        return None
    torch.set_autocast_enabled(device, False)
    setattr(layer, _DEVICE, device)
    return tuple(values.float() for values in inputs)


def _after(layer: nn.Module, *_: object) -> None:
    device = getattr(layer, _DEVICE, None)
    if device is not None:
        torch.set_autocast_enabled(device, True)
        setattr(layer, _DEVICE, None)
