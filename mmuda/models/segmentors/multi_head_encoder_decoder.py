# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A segmentor with heads of its own for each target."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from mmengine.model import ModuleDict
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.utils import SampleList
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.modules import constant_statistics

from .feature_styles import Style, style_blocks, styled
from .uda_encoder_decoder import UDAEncoderDecoder
from .views import ENSEMBLE, Seen, View

AGNOSTIC = 'decode'
Features = tuple[Tensor, ...]


@MODELS.register_module()
class MultiHeadEncoderDecoder(UDAEncoderDecoder):
    """One backbone, heads for all targets together and for each target.

    The heads ``decode`` and ``aux`` are agnostic of the target. Each target
    has copies of them, ``<target>.decode`` and ``<target>.aux``, with weights
    of their own (MTKT: Saporta et al., MTAF, ICCV 2021, section 3.3). A head
    ``ensemble`` sees the features of one view in the style of each target
    (MLCL).

    ``forward`` also takes views. Of one :class:`View` it gives what is
    :class:`Seen`. Of views by name it gives logits by view and head; with an
    ensemble head the views are one in the style of each target, and its
    logits are those of a view ``ensemble``.

    Args:
        *args: As of ``UDAEncoderDecoder``.
        targets: Names of the targets.
        decode_head: Config of the main head and of its copies.
        auxiliary_head: Config of the auxiliary head and of its copies, or
            None; a list is not supported.
        ensemble: Have an ensemble head: a copy of the main one whose input
            are the features of all targets' views, one after another.
        predict_head: The main head that validation and testing use:
            ``decode`` for the agnostic one, ``<target>.decode`` or
            ``ensemble``, which sees the image itself in the place of each
            view.
        style_layers: Names of the backbone's submodules after whose elements
            a style is read and swapped (CoaST: ``layer1`` and ``layer2``).
        recompute_features: Keep no activations of the backbone in forward
            and compute them again in backward. Takes one more forward pass
            of each view; with the number of views only memory for their
            final features and for the heads grows.
        **kwargs: As of ``UDAEncoderDecoder``.

    Raises:
        ConfigError: A target's name is unusable, there are several auxiliary
            heads, ``predict_head`` is no main head, or the backbone has no
            such ``style_layers``.
    """

    def __init__(
        self,
        *args,
        targets: Sequence[str],
        decode_head: dict,
        auxiliary_head: dict | None = None,
        ensemble: bool = False,
        predict_head: str = AGNOSTIC,
        style_layers: Sequence[str] = (),
        recompute_features: bool = False,
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
        if len(set(targets)) < len(targets):
            raise ConfigError(
                f'model.segmentor.targets names a target twice: {[*targets]}'
            )
        configs = {'decode': decode_head, 'aux': auxiliary_head}
        self.target_heads = _heads_of_targets(targets, configs)
        if ensemble:
            config = _times(len(targets), decode_head)
            self.ensemble_head = MODELS.build(config)
        self.average_losses()
        self.style_layers = tuple(style_layers)
        style_blocks(self.backbone, self.style_layers)
        self.recompute_features = recompute_features
        self.predict_head = predict_head

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self.target_heads)

    @property
    def predict_head(self) -> str:
        """Name of the main head that validation and testing use."""
        return self._predict_head

    @predict_head.setter
    def predict_head(self, name: str) -> None:
        mains = [n for n in self.heads() if not n.endswith('aux')]
        if name not in mains:
            raise ConfigError(
                f"segmentor.predict_head: there is no '{name}', choose one "
                f'of {mains}'
            )
        self._predict_head = name

    def heads(self) -> dict[str, BaseDecodeHead]:
        """All heads by name, the agnostic ones first."""
        heads = super().heads()
        # Not there while the parent's constructor looks at its own heads.
        for target, own in getattr(self, 'target_heads', {}).items():
            heads |= {f'{target}.{name}': head for name, head in own.items()}
        if hasattr(self, 'ensemble_head'):
            heads[ENSEMBLE] = self.ensemble_head
        return heads

    def heads_of(self, target: str) -> list[str]:
        """Names of the heads of one target."""
        return [f'{target}.{name}' for name in self.target_heads[target]]

    def _forward(
        self,
        inputs: Tensor | View | Mapping[str, View],
        data_samples: SampleList | None = None,
    ) -> dict[str, Tensor] | Seen | dict[str, dict[str, Tensor]]:
        if isinstance(inputs, View):
            return self._see(inputs)[0]
        if isinstance(inputs, Mapping):
            return self._see_all(inputs)
        features = self.extract_feat(inputs)
        return {name: self._decode(name, features) for name in self.heads()}

    def _see(self, view: View) -> tuple[Seen, Features]:
        features, style = self._features(view.images, view.style)
        heads = self.heads()
        logits = {name: heads[name].forward(features) for name in view.heads}
        return Seen(logits, style), features

    def _see_all(self, views: Mapping[str, View]) -> dict:
        logits, features = {}, {}
        for name, view in views.items():
            seen, features[name] = self._see(view)
            logits[name] = seen.logits
        if hasattr(self, 'ensemble_head'):
            # Slots do not depend on the order of the views.
            levels = zip(*(features[t] for t in self.targets), strict=True)
            joint = tuple(torch.cat(level, dim=1) for level in levels)
            logits[ENSEMBLE] = {ENSEMBLE: self.ensemble_head.forward(joint)}
        return logits

    def _features(
        self, images: Tensor, style: Style
    ) -> tuple[Features, Style]:
        def run(values: Tensor) -> tuple[Features, Style]:
            blocks = style_blocks(self.backbone, self.style_layers)
            with styled(blocks, style) as read:
                features = self.extract_feat(values)
            return tuple(features), tuple(read)

        if not (self.recompute_features and torch.is_grad_enabled()):
            return run(images)
        return checkpoint(
            run,
            images,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), constant_statistics(self)),
        )

    def _decode(self, name: str, features: Features) -> Tensor:
        if name == ENSEMBLE:
            count = len(self.targets)
            features = tuple(
                level.repeat(1, count, 1, 1) for level in features
            )
        return self.heads()[name].forward(features)

    def encode_decode(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Logits of the predicting head; see ``UDAEncoderDecoder``."""
        logits = self.predict_logits(inputs)
        if self._upsamples_once(batch_img_metas):
            return logits
        return self.predicting_head.predict_by_feat(logits, batch_img_metas)

    @property
    def predicting_head(self) -> BaseDecodeHead:
        """The head that ``predict_head`` names."""
        return self.heads()[self.predict_head]

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Logits of the predicting head, (N, C, h, w), of (N, 3, H, W)."""
        return self._decode(self.predict_head, self.extract_feat(inputs))


def _key(target: str) -> str:
    if not target.isidentifier():
        raise ConfigError(
            f"segmentor.targets: '{target}' must be a word of letters, digits "
            'and underscores'
        )
    return target


def _heads_of_targets(
    targets: Sequence[str], configs: Mapping[str, dict | None]
) -> ModuleDict:
    return ModuleDict(
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


def _times(count: int, config: dict) -> dict:
    """Config of a head on so many times the channels."""
    config = copy.deepcopy(config)
    channels = config['in_channels']
    config['in_channels'] = (
        [count * level for level in channels]
        if isinstance(channels, Sequence)
        else count * channels
    )
    return config
