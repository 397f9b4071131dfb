# Copyright (c) mmuda authors.
"""Checks of what a segmentor is made of."""

from collections.abc import Iterable, Mapping

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from mmuda.utils.errors import ConfigError

_HEAD_METHODS = ('loss', 'predict', 'loss_by_feat')
_TEST_KEYS = ('mode', 'crop_size', 'stride', 'upsample_once')


def check_parts(
    decode_head: nn.Module,
    heads: Mapping[str, BaseDecodeHead],
    test_cfg: Iterable[str],
) -> None:
    """Refuse parts of a segmentor that can't learn under a method.

    Args:
        decode_head: The main head, or a cascade of several.
        heads: All of them by name, the main one first.
        test_cfg: Its keys.

    Raises:
        ConfigError: A head's loss needs more than its logits, heads disagree
            in the number of classes, or a key is unknown.
    """
    if not isinstance(decode_head, BaseDecodeHead):
        raise ConfigError(
            'decode_head: cascades of heads are not supported under UDA'
        )
    for name, head in heads.items():
        _check_head(name, head)
        if head.num_classes != decode_head.num_classes:
            raise ConfigError(
                f"head '{name}' has {head.num_classes} classes, the main "
                f'one {decode_head.num_classes}; set num_classes of all alike'
            )
    for key in test_cfg:
        if key not in _TEST_KEYS:
            raise ConfigError(
                f"segmentor.test_cfg: unknown key '{key}'; there are "
                f'{list(_TEST_KEYS)}'
            )


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
