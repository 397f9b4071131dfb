# Copyright (c) mmuda authors.
"""SegFormer's encoder with the norms of its published weights."""

from typing import Any

from mmseg.models import MixVisionTransformer
from torch import nn

from mmuda.registry import MODELS

_EPS = 1e-5


@MODELS.register_module()
class MiT(MixVisionTransformer):
    """Mix Transformer (MiT), layer norms as the published weights know them.

    mmseg's ``MixVisionTransformer``, names of parameters included, but for
    the epsilon of the layer norms in the patch embeddings and in the spatial
    reduction of the attention. mmseg has 1e-6 everywhere. SegFormer's own
    code, with which the ImageNet weights and all checkpoints of DAFormer, HRDA
    and MIC were trained, has it in the blocks and after the stages only, and
    PyTorch's default of 1e-5 in these two. Features differ by about 1e-3, so
    that with mmseg's class no published number comes out digit for digit.

    Attention maps, which mmseg computes to drop them, are left out, so that
    PyTorch's fused attention runs, which does not keep them for backward.

    Source: Xie et al., SegFormer, NeurIPS 2021, section 3.1; epsilons of
    DAFormer (CVPR 2022) by the numbers that it computes.

    Args:
        **kwargs: Arguments of mmseg's ``MixVisionTransformer``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for patch_embed, blocks, _ in self.layers:
            norms = [patch_embed.norm]
            # No reduction in the last stage.
            norms += [b.attn.norm for b in blocks if hasattr(b.attn, 'norm')]
            for norm in norms:
                if isinstance(norm, nn.LayerNorm):
                    norm.eps = _EPS
            for block in blocks:
                block.attn.attn.register_forward_pre_hook(
                    _without_weights, with_kwargs=True
                )


def _without_weights(
    attention: nn.Module, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict[str, Any]]:
    return args, kwargs | dict(need_weights=False)
