# Copyright (c) mmuda authors.
"""The networks that DAFormer, HRDA and MIC publish, tensor by tensor."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmuda.models.decode_heads import DAFormerHead, DLV2Head

from .from_segformer import (
    fitting_names,
    mit_names,
    mit_shapes,
    own_depths,
    published_depths,
)
from .published import Shapes, side
from .state_dicts import StateDict

BACKBONE = 'backbone.'
_HEAD, _ATTENTION = 'decode_head.', 'attention_head.'
# Published prefixes of the heads, by whether HRDA is around them.
_PLAIN = {_HEAD: 'decode_head.'}
_HRDA = {
    _HEAD: 'decode_head.head.',
    _ATTENTION: 'decode_head.scale_attention.',
}
_KINDS = (
    *('weight', 'bias'),
    *('running_mean', 'running_var', 'num_batches_tracked'),
)
_CONV_NORM = ('conv.', 'bn.')
_SEPARABLE = ('depthwise_conv.', 'pointwise_conv.')
_LEVELS = 4
HINT = (
    'Expected is a MiT or a ResNet-V1c under the head of DAFormer or of '
    'DeepLab-V2, alone or in HRDA.'
)


class Anatomy(NamedTuple):
    """What decides about the names of a network's tensors.

    Attributes:
        depths: Blocks of each stage of a MiT, all 0 for a ResNet.
        resnet: Names of a ResNet, which are the same here and there.
        branches: Of each head, by our prefix.
        deeplab: Whether the heads are those of DeepLab-V2.
        hrda: Whether HRDA is around the head.
    """

    depths: tuple[int, ...]
    resnet: tuple[str, ...]
    branches: dict[str, int]
    deeplab: bool
    hrda: bool

    def names(self) -> dict[str, str]:
        """Our name by published name, of all that there may be."""
        names = {name: name for name in self.resnet}
        for old, new in mit_names(self.depths).items():
            names[BACKBONE + old] = BACKBONE + new
        published = _HRDA if self.hrda else _PLAIN
        entries = _deeplab_names if self.deeplab else _daformer_names
        for prefix, count in self.branches.items():
            for old, new in entries(count).items():
                for kind in _KINDS:
                    name = f'{published[prefix]}{old}{kind}'
                    names[name] = f'{prefix}{new}{kind}'
        return names


def _deeplab_names(branches: int) -> dict[str, str]:
    return {f'aspp_modules.{i}.conv.': f'convs.{i}.' for i in range(branches)}


def _daformer_names(branches: int) -> dict[str, str]:
    """Without branches it is the head of a scale attention."""
    names = {'conv_seg.': 'conv_seg.'}
    for level in range(_LEVELS):
        names[f'embed_layers.{level}.proj.'] = f'embed_layers.{level}.'
    last = 'fuse_layer.bottleneck.' if branches else 'fuse_layer.'
    for layer in _CONV_NORM:
        names[last + layer] = f'bottleneck.{layer}'
    for i in range(branches):
        for part in ('', *_SEPARABLE):
            for layer in _CONV_NORM:
                old = f'fuse_layer.aspp_modules.{i}.{part}{layer}'
                names[old] = f'aspp.{i}.{part}{layer}'
    return names


def published_anatomy(names: Iterable[str]) -> Anatomy:
    """Look at the published names of a network's tensors.

    Args:
        names: Of all or of some.
    """
    names = list(names)
    hrda = any(name.startswith(tuple(_HRDA.values())) for name in names)
    heads = _HRDA if hrda else _PLAIN
    pattern = re.compile(r'(?:fuse_layer\.)?aspp_modules\.(\d+)\.')
    deeplab = any('.aspp_modules.' in n for n in names) and not any(
        '.fuse_layer.' in n for n in names
    )
    return Anatomy(
        published_depths(names),
        _resnet(names),
        _branches(names, heads, pattern),
        deeplab,
        hrda,
    )


def own_anatomy(names: Iterable[str]) -> Anatomy:
    """Look at our names of a network's tensors.

    Args:
        names: Of all or of some.
    """
    names = list(names)
    hrda = any(name.startswith(_ATTENTION) for name in names)
    heads = {prefix: prefix for prefix in (_HRDA if hrda else _PLAIN)}
    pattern = re.compile(r'(?:aspp|convs)\.(\d+)\.')
    return Anatomy(
        own_depths(names),
        _resnet(names),
        _branches(names, heads, pattern),
        any(name.startswith(f'{_HEAD}convs.') for name in names),
        hrda,
    )


def _resnet(names: Iterable[str]) -> tuple[str, ...]:
    pattern = re.compile(r'backbone\.(stem|layer\d+)\.')
    return tuple(name for name in names if pattern.match(name))


def _branches(
    names: Iterable[str], heads: Mapping[str, str], pattern: re.Pattern
) -> dict[str, int]:
    branches: dict[str, int] = {}
    for name in names:
        for own, prefix in heads.items():
            if not name.startswith(prefix):
                continue
            found = pattern.match(name.removeprefix(prefix))
            count = int(found[1]) + 1 if found else 0
            branches[own] = max(branches.get(own, 0), count)
    return branches


def checked_names(
    own: Mapping[str, Tensor], anatomy: Anatomy, path: str
) -> dict[str, str]:
    """Compare a network with the one that its sizes are of.

    Args:
        own: Its tensors by our name.
        anatomy: Of their names.
        path: The file, for messages.

    Returns:
        Of all our names by published name those that it must have.

    Raises:
        CheckpointError: It is another network, or a shape does not fit.
    """
    names = anatomy.names()
    checked = {name: name for name in anatomy.resnet}
    shapes: dict[str, Shapes | None] = {}
    if not anatomy.resnet:
        shapes[BACKBONE] = mit_shapes(part_of(own, BACKBONE))
    for prefix in _HRDA if anatomy.hrda else _PLAIN:
        head = _head_of(part_of(own, prefix), anatomy, prefix)
        shapes[prefix] = None if head is None else _shapes_of(head)
    for prefix, expected in shapes.items():
        part = {
            old: new.removeprefix(prefix)
            for old, new in names.items()
            if new.startswith(prefix)
        }
        found = fitting_names(part_of(own, prefix), expected, part, path, HINT)
        checked |= {old: prefix + new for old, new in found.items()}
    return checked


def _shapes_of(module: nn.Module) -> Shapes:
    return {n: tuple(t.shape) for n, t in module.state_dict().items()}


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> StateDict:
    """Tensors of a part, without its name.

    Args:
        tensors: By name.
        prefix: The part's name and a dot.
    """
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _head_of(
    tensors: Mapping[str, Tensor], anatomy: Anatomy, prefix: str
) -> nn.Module | None:
    """The head that tensors are of, without memory for its own."""
    branches = anatomy.branches.get(prefix)
    if branches is None:
        return None
    with torch.device('meta'):
        if anatomy.deeplab:
            first = 'convs.0.weight'
            return DLV2Head(
                side(tensors, first, 1) or 1,
                num_classes=side(tensors, first) or 1,
                dilations=[1] * branches,
            )
        inputs = [
            side(tensors, f'embed_layers.{i}.weight', 1) or 1
            for i in range(_LEVELS)
        ]
        # Only whether a dilation is 1 makes a difference to names.
        dilations = (1, *[2] * (branches - 1)) if branches else (1,)
        return DAFormerHead(
            inputs,
            num_classes=side(tensors, 'conv_seg.weight') or 2,
            channels=side(tensors, 'conv_seg.weight', 1) or 1,
            fusion='sepaspp' if branches else 'conv1',
            dilations=dilations,
        )
