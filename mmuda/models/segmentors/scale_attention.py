# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The head that says how much the detail of HRDA counts, and where."""

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, float32, promote_types

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def attention_of(config: dict, head: BaseDecodeHead) -> BaseDecodeHead:
    """Build the head that gives the attention of a main head.

    Args:
        config: Of a decode head; by default it has the classes of the main
            one.
        head: The main head.

    Raises:
        ConfigError: It gives neither as many maps nor a single one.
    """
    config = dict(num_classes=head.num_classes) | dict(config)
    if config['num_classes'] == 1:
        # Not used; without it mmseg warns of a classifier of one class.
        config.setdefault('threshold', 0.5)
    attention = MODELS.build(config)
    if attention.out_channels not in (1, head.out_channels):
        raise ConfigError(
            f'segmentor.attention_head.num_classes={config["num_classes"]}: '
            f'must be {head.num_classes}, as of decode_head, or 1'
        )
    return attention


def attention_weights(scores: Tensor, context: Tensor) -> Tensor:
    """Make weights of the scores of an attention head.

    Args:
        scores: (N, C or 1, h, w).
        context: (N, C, h, w) logits that they stand beside.

    Returns:
        As the scores, in (0, 1) and not in 16 bits.

    Raises:
        ConfigError: The two have other sizes.
    """
    if scores.shape[2:] != context.shape[2:]:
        raise ConfigError(
            'segmentor.attention_head gives maps of '
            f'{tuple(scores.shape[2:])}, decode_head of '
            f'{tuple(context.shape[2:])}; let both read the same levels'
        )
    return scores.to(promote_types(scores.dtype, float32)).sigmoid()
