# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A segmentor with heads of its own for each target."""

import copy
from collections.abc import Sequence

from mmengine.model import ModuleDict
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

from .uda_encoder_decoder import UDAEncoderDecoder

AGNOSTIC = 'decode'


@MODELS.register_module()
class MultiHeadEncoderDecoder(UDAEncoderDecoder):
    """One backbone, heads for all targets together and for each target.

    The heads ``decode`` and ``aux`` are agnostic of the target. Each target
    has copies of them, ``<target>.decode`` and ``<target>.aux``, with weights
    of their own (MTKT: Saporta et al., MTAF, ICCV 2021, section 3.3).

    Args:
        *args: As of ``UDAEncoderDecoder``.
        targets: Names of the targets.
        decode_head: Config of the main head and of its copies.
        auxiliary_head: Config of the auxiliary head and of its copies, or
            None; a list is not supported.
        predict_head: The main head that validation and testing use:
            ``decode`` for the agnostic one, or ``<target>.decode``.
        **kwargs: As of ``UDAEncoderDecoder``.

    Raises:
        ConfigError: A target's name is unusable, there are several auxiliary
            heads, or ``predict_head`` is no main head.
    """

    def __init__(
        self,
        *args,
        targets: Sequence[str],
        decode_head: dict,
        auxiliary_head: dict | None = None,
        predict_head: str = AGNOSTIC,
        **kwargs,
    ) -> None:
        if isinstance(auxiliary_head, list):
            raise ConfigError(
                'segmentor.auxiliary_head: give one, which each target copies'
            )
        super().__init__(
            *args,
            decode_head=copy.deepcopy(decode_head),
            auxiliary_head=copy.deepcopy(auxiliary_head),
            **kwargs,
        )
        configs = {'decode': decode_head, 'aux': auxiliary_head}
        self.target_heads = ModuleDict(
            {
                _key(target): ModuleDict(
                    {
                        name: MODELS.build(copy.deepcopy(config))
                        for name, config in configs.items()
                        if config is not None
                    }
                )
                for target in targets
            }
        )
        mains = [name for name in self.heads() if name.endswith('decode')]
        if predict_head not in mains:
            raise ConfigError(
                f"segmentor.predict_head: there is no '{predict_head}', "
                f'choose one of {mains}'
            )
        self.predict_head = predict_head

    def heads(self) -> dict[str, BaseDecodeHead]:
        """All heads by name, the agnostic ones first."""
        heads = super().heads()
        # Not there while the parent's constructor looks at its own heads.
        for target, own in getattr(self, 'target_heads', {}).items():
            heads |= {f'{target}.{name}': head for name, head in own.items()}
        return heads

    def heads_of(self, target: str) -> list[str]:
        """Names of the heads of one target."""
        return [f'{target}.{name}' for name in self.target_heads[target]]

    @property
    def predicting_head(self) -> BaseDecodeHead:
        """The main head that validation and testing use."""
        return self.heads()[self.predict_head]

    def encode_decode(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Logits of the predicting head; see ``UDAEncoderDecoder``."""
        features = self.extract_feat(inputs)
        if self._upsamples_once(batch_img_metas):
            return self.predicting_head.forward(features)
        return self.predicting_head.predict(
            features, batch_img_metas, self.test_cfg
        )


def _key(target: str) -> str:
    if not target.isidentifier():
        raise ConfigError(
            f"segmentor.targets: '{target}' must be a word of letters, digits "
            'and underscores'
        )
    return target
