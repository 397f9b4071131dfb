# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Batch norms that train on a batch with one value in each channel."""

import logging

import torch.distributed as dist
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_MARK = '_mmuda_single_values'
_SINGLE = '_is_single_valued'


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
