# Copyright (c) mmuda authors.
"""A segmentor with heads of its own for each target."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from mmengine.model import ModuleDict
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, float32, nn, promote_types

from mmuda.models.style import (
    ChannelStatistics,
    channel_statistics,
    swap_statistics,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import (
    AUX,
    DECODE,
    ENSEMBLE,
    head_name,
    split_head_name,
)
from mmuda.utils.screen import tell

from .prediction import Features, Prediction, Style, View
from .recompute import recomputed
from .uda_encoder_decoder import UDAEncoderDecoder


@MODELS.register_module()
class MultiHeadEncoderDecoder(UDAEncoderDecoder):
    """One backbone, heads for all targets together and for each target.

    The heads ``decode`` and ``aux`` are agnostic of the target. Each target
    has copies of them, ``<target>.decode`` and ``<target>.aux``, with weights
    of their own (MTKT: Saporta et al., MTAF, ICCV 2021, section 3.3). A head
    ``ensemble`` sees the features of one view in the style of each target
    (MLCL).

    With an ensemble head several views are one in the style of each target,
    by its name, and ``ensemble`` predicts from all of them.

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
        predict_head: str = DECODE,
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
        configs = {DECODE: decode_head, AUX: auxiliary_head}
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
        mains = [n for n in self.heads() if split_head_name(n)[1] != AUX]
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
            heads |= {head_name(target, k): head for k, head in own.items()}
        if hasattr(self, 'ensemble_head'):
            heads[ENSEMBLE] = self.ensemble_head
        return heads

    def heads_of(self, target: str) -> list[str]:
        """Names of the heads of one target."""
        return [head_name(target, name) for name in self.target_heads[target]]

    def add_new_heads(self, state_dict: dict, prefix: str) -> None:
        """Let heads start that an earlier stage of a method had not, in place.

        Heads of targets start as the main one, unless some are stored: then
        the checkpoint is of other targets. An ensemble head starts as it is,
        and so does a main head if those of targets are stored: published
        warm-ups have none.

        Args:
            state_dict: Tensors by name.
            prefix: Prefix of the segmentor's names, with a trailing dot.
        """
        main = {DECODE: 'decode_head.', AUX: 'auxiliary_head.'}
        new = ['ensemble_head']
        if any(n.startswith(f'{prefix}target_heads.') for n in state_dict):
            new += ['decode_head', 'auxiliary_head']
        else:
            for target, heads in self.target_heads.items():
                for head in heads:
                    start = prefix + main[head]
                    for name in [n for n in state_dict if n.startswith(start)]:
                        copied = f'{prefix}target_heads.{target}.{head}.'
                        state_dict[copied + name[len(start) :]] = state_dict[
                            name
                        ]
            _log('no heads for targets: they start as copies of the main')
        for part in new:
            head = getattr(self, part, None)
            start = f'{prefix}{part}.'
            if head is None or any(n.startswith(start) for n in state_dict):
                continue
            for name, tensor in head.state_dict().items():
                state_dict[start + name] = tensor
            _log(f'no {part}: the one of the model starts anew')

    def _see_all(self, views: Mapping[str, View]) -> Prediction:
        seen = {name: self._see(view, True) for name, view in views.items()}
        prediction = self._joined(seen.values())
        if hasattr(self, 'ensemble_head'):
            # Slots do not depend on the order of the views.
            features = [seen[target].features for target in self.targets]
            # Of each stage T x (N, D, h, w) -> (N, T D, h, w)
            joint = tuple(
                torch.cat(stage, dim=1)
                for stage in zip(*features, strict=True)
            )
            logits = self.ensemble_head.forward(joint)
            prediction.logits[ENSEMBLE] = logits.to(
                promote_types(logits.dtype, float32)
            )
        return prediction

    def _features(
        self, images: Tensor, style: Style, mask_ratio: float = 0
    ) -> tuple[Features, Style]:
        def run(values: Tensor) -> tuple[Features, Style]:
            blocks = style_blocks(self.backbone, self.style_layers)
            with styled(blocks, style) as read:
                features = self.extract_feat(values, mask_ratio)
            return tuple(features), tuple(read)

        if not (self.recompute_features and torch.is_grad_enabled()):
            return run(images)
        return recomputed(self, run, images)

    def _decode(self, name: str, features: Features) -> Tensor:
        if name == ENSEMBLE:
            # (N, D, h, w) -> (N, T D, h, w): each view is the image itself.
            repeats = (1, len(self.targets), 1, 1)
            features = tuple(stage.repeat(repeats) for stage in features)
        return super()._decode(name, features)

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


def style_blocks(
    backbone: nn.Module, layers: Sequence[str]
) -> list[nn.Module]:
    """The modules after which a style is read or swapped.

    Args:
        backbone: Any backbone.
        layers: Names of its submodules; of a sequence, each element counts.

    Raises:
        ConfigError: There is no submodule of a name.
    """
    blocks: list[nn.Module] = []
    for name in layers:
        try:
            layer = backbone.get_submodule(name)
        except AttributeError as error:
            names = [child for child, _ in backbone.named_children()]
            raise ConfigError(
                f'segmentor.style_layers: {type(backbone).__name__} has no '
                f"'{name}' (it has {names})"
            ) from error
        if isinstance(layer, nn.Sequential | nn.ModuleList):
            blocks += layer
        else:
            blocks.append(layer)
    return blocks


@contextmanager
def styled(
    blocks: Sequence[nn.Module], style: Style = ()
) -> Iterator[list[ChannelStatistics]]:
    """Read the style after each block, and then swap it for another.

    Args:
        blocks: Modules whose output is one (N, C, H, W) tensor.
        style: Statistics to give to the output of each block, one for each;
            none leaves the features as they are.

    Yields:
        A list that is filled, block by block, with the statistics that the
        features had before the swap, without a graph.
    """
    read: list[ChannelStatistics] = []

    def visit(position: int, output):
        found = channel_statistics(output.detach())
        read.append(found)
        return swap_statistics(output, style[position]) if style else output

    with ExitStack() as stack:
        for position, block in enumerate(blocks):
            handle = block.register_forward_hook(
                lambda _, __, output, at=position: visit(at, output)
            )
            stack.callback(handle.remove)
        yield read


def _log(missing: str) -> None:
    tell(f'Checkpoint: it has {missing}')
