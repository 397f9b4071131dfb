# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Tensors of detectron2's DeepLabV3+: names here and there, and shapes.

The backbone is a ResNet of bottleneck blocks whose stem has three
convolutions, the head that of ``DeepLabV3PlusHead``.
"""

import re
from collections.abc import Sequence

from .advent import RESNET101_BLOCKS
from .published import BACKBONE, Layout, Shapes, resnet_shapes

HEAD = 'segmentor.decode_head.'
PREDICTOR = 'sem_seg_head.predictor'
ASPP = 'sem_seg_head.decoder.res5.project_conv'
LOW_LEVEL = 'sem_seg_head.decoder.res2'

_NORM = ('weight', 'bias', 'running_mean', 'running_var')
_HINT = (
    "Expected is detectron2's DeepLabV3+ with a ResNet of {blocks} bottleneck "
    'blocks, whose stem has three convolutions.'
)

_Entries = dict[str, tuple[str, tuple[int, ...]]]


def segmentor_layout(
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    stem_channels: int = 128,
    width: int = 64,
    head_sizes: tuple[int, int, int] = (20, 256, 48),
) -> Layout:
    """List a network's tensors.

    Args:
        stage_blocks: Bottleneck blocks in each stage.
        stem_channels: Of the stem's last convolution.
        width: Channels of the first stage's 3x3 convolutions.
        head_sizes: Outputs, channels of a branch, channels that the first
            stage is projected to.
    """
    backbone = backbone_layout(stage_blocks, stem_channels, width)
    names = {
        f'backbone.{old}': f'{BACKBONE}{new}'
        for old, new in backbone.names.items()
    }
    shapes = {f'backbone.{k}': shape for k, shape in backbone.shapes.items()}
    # A bottleneck block has four times its width at its end.
    inputs = 4 * width * 2 ** (len(stage_blocks) - 1)
    for old, (new, shape) in _head_entries(
        inputs, 4 * width, *head_sizes
    ).items():
        names[old], shapes[old] = f'{HEAD}{new}', shape
    return Layout(names, shapes, backbone.hint)


def backbone_layout(
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    stem_channels: int = 128,
    width: int = 64,
) -> Layout:
    """List a backbone's tensors: detectron2's names to those of mmseg.

    Args:
        stage_blocks: Bottleneck blocks in each stage.
        stem_channels: Of the stem's last convolution.
        width: Channels of the first stage's 3x3 convolutions.
    """
    shapes: Shapes = {}
    names: dict[str, str] = {}
    for name, shape in resnet_shapes(width, stage_blocks).items():
        if name.startswith('layer'):
            old = _block_name(name)
            names[old], shapes[old] = name, shape
    for conv in ('conv1', 'shortcut'):
        shape = shapes[f'res2.0.{conv}.weight']
        shapes[f'res2.0.{conv}.weight'] = (shape[0], stem_channels, 1, 1)
    inputs, half = 3, stem_channels // 2
    for i, outputs in enumerate((half, half, stem_channels)):
        old = f'stem.conv{i + 1}'
        new = (f'stem.{3 * i}', f'stem.{3 * i + 1}')
        for o, (n, shape) in _conv(old, *new, (outputs, inputs, 3, 3)).items():
            names[o], shapes[o] = n, shape
        inputs = outputs
    hint = _HINT.format(blocks=tuple(stage_blocks))
    return Layout(names, shapes, hint)


def _block_name(name: str) -> str:
    """Name of a block's tensor in detectron2, ``layer1.0.bn1.bias`` here."""
    stage, rest = re.fullmatch(r'layer(\d+)\.(.*)', name).groups()
    rest = re.sub(r'\bbn(\d)', r'conv\1.norm', rest)
    rest = rest.replace('downsample.0', 'shortcut')
    rest = rest.replace('downsample.1', 'shortcut.norm')
    return f'res{int(stage) + 1}.{rest}'


def _head_entries(
    inputs: int, low: int, outputs: int, channels: int, projected: int
) -> _Entries:
    convs = [
        (f'{ASPP}.convs.0', 'aspp_modules.0', (channels, inputs, 1, 1)),
        *(
            (
                f'{ASPP}.convs.{i}',
                f'aspp_modules.{i}',
                (channels, inputs, 3, 3),
            )
            for i in (1, 2, 3)
        ),
        (f'{ASPP}.project', 'bottleneck', (channels, 5 * channels, 1, 1)),
        (f'{LOW_LEVEL}.project_conv', 'c1_bottleneck', (projected, low, 1, 1)),
        (
            f'{LOW_LEVEL}.fuse_conv.0',
            'fuse.0',
            (channels, projected + channels, 3, 3),
        ),
        (f'{LOW_LEVEL}.fuse_conv.1', 'fuse.1', (channels, channels, 3, 3)),
    ]
    entries: _Entries = {}
    for old, new, shape in convs:
        entries |= _conv(old, f'{new}.conv', f'{new}.bn', shape)
    for old, new, shape in (
        (f'{ASPP}.convs.4.1', 'image_pool.conv', (channels, inputs, 1, 1)),
        (PREDICTOR, 'conv_seg', (outputs, channels, 1, 1)),
    ):
        entries[f'{old}.weight'] = (f'{new}.weight', shape)
        entries[f'{old}.bias'] = (f'{new}.bias', shape[:1])
    return entries


def _conv(old: str, conv: str, norm: str, shape: tuple[int, ...]) -> _Entries:
    """A convolution without bias and its norm, which detectron2 nests."""
    return {
        f'{old}.weight': (f'{conv}.weight', shape),
        **{f'{old}.norm.{k}': (f'{norm}.{k}', shape[:1]) for k in _NORM},
        f'{old}.norm.num_batches_tracked': (f'{norm}.num_batches_tracked', ()),
    }
