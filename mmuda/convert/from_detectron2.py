# Copyright (c) mmuda authors.
"""Names of detectron2's DeepLabV3+ and of mmuda's.

The published networks of Gómez et al. (Sensors 2023) are files of
detectron2's checkpointer: ``{'model': tensors, 'iteration': ..., ...}``, with
a ResNet whose stem has three convolutions and the head that
``DeepLabV3PlusHead`` is. They have an output for void behind those of the
classes. It is left out here, so that each pixel gets the best of the true
classes; the way back adds one that never wins. Images are RGB, normalised by
ImageNet's means and deviations as in mmseg.

How sure the names are: they were read in detectron2's project DeepLab and in
the released code of the paper; no published file was looked at.
"""

import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmuda.utils.checksums import is_zip
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError

from .from_advent import RESNET101_BLOCKS
from .published import BACKBONE, Layout, Shapes, resnet_shapes, side
from .state_dicts import StateDict, find_state_dict

# Of the void output on the way back: its probability is 0 in any precision.
VOID_BIAS = -1e4

# Images are normalised by the config; ImageNet's classifier has no use.
_NOT_CONVERTED = ('pixel_mean', 'pixel_std')
_CLASSIFIERS = ('stem.fc.', 'fc.', 'linear.')


def find_network(checkpoint: Mapping[str, Any], path: str) -> StateDict:
    """Take the tensors out of a loaded checkpoint; arrays become tensors.

    Args:
        checkpoint: What was loaded; a bare state dict will do.
        path: The file, for messages.

    Raises:
        CheckpointError: If it holds no state dict.
    """
    network = checkpoint.get('model', checkpoint)
    if isinstance(network, Mapping):
        network = {
            name: _as_tensor(value)
            for name, value in network.items()
            if name not in _NOT_CONVERTED
        }
    return find_state_dict(network, path)


def segmentor_from_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    void: bool = True,
) -> StateDict:
    """Rename a published network to mmuda's names.

    Args:
        state_dict: Tensors by published name.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        void: Whether the last output is that of void, which is left out;
            detectron2's own networks have none.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    layout = segmentor_layout(
        stage_blocks,
        side(state_dict, 'backbone.stem.conv3.weight'),
        side(state_dict, 'backbone.res2.0.conv2.weight'),
        (
            side(state_dict, f'{PREDICTOR}.weight'),
            side(state_dict, f'{ASPP}.project.weight'),
            side(state_dict, f'{LOW_LEVEL}.project_conv.weight'),
        ),
    )
    own = layout.from_published(state_dict, path)
    if void:
        for kind in ('weight', 'bias'):
            name = f'{HEAD}conv_seg.{kind}'
            # A copy: a view would be saved with all that it is one of.
            own[name] = own[name][:-1].clone()
    return own


def segmentor_to_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the network',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
    void: bool = True,
) -> StateDict:
    """Rename the segmentor of an mmuda checkpoint to the published names.

    Names that do not start with ``segmentor.`` are not looked at.

    Args:
        state_dict: Tensors by mmuda's name.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.
        void: Whether to add an output for void, with weights 0 and the bias
            ``VOID_BIAS``.

    Raises:
        CheckpointError: If names of the segmentor are missing or unknown, or
            a shape differs.
    """
    layout = segmentor_layout(
        stage_blocks,
        side(state_dict, f'{BACKBONE}stem.6.weight'),
        side(state_dict, f'{BACKBONE}layer1.0.conv2.weight'),
        (
            side(state_dict, f'{HEAD}conv_seg.weight'),
            side(state_dict, f'{HEAD}bottleneck.conv.weight'),
            side(state_dict, f'{HEAD}c1_bottleneck.conv.weight'),
        ),
    )
    published = layout.to_published(state_dict, path)
    if void:
        for kind, value in (('weight', 0.0), ('bias', VOID_BIAS)):
            name = f'{PREDICTOR}.{kind}'
            added = torch.full_like(published[name][:1], value)
            published[name] = torch.cat([published[name], added])
    return published


def backbone_from_published(
    state_dict: Mapping[str, Tensor],
    path: str = 'the file',
    stage_blocks: Sequence[int] = RESNET101_BLOCKS,
) -> StateDict:
    """Rename ImageNet weights of the backbone to mmseg's names.

    Args:
        state_dict: Tensors by detectron2's name, with or without
            ``backbone.``; a classifier is left out.
        path: The file, for messages.
        stage_blocks: Bottleneck blocks in each stage.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    found = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in state_dict.items()
    }
    found = {k: v for k, v in found.items() if not k.startswith(_CLASSIFIERS)}
    layout = backbone_layout(
        stage_blocks,
        side(found, 'stem.conv3.weight'),
        side(found, 'res2.0.conv2.weight'),
    )
    return layout.from_published(found, path)


def _as_tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        # A copy, as arrays of a file may be read-only.
        return torch.from_numpy(np.array(value))
    return value


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
    stage, rest = name.removeprefix('layer').split('.', 1)
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


# What torch.save writes before its pickles in the format of before 1.6.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def load_arrays_file(path: str | os.PathLike) -> dict[str, Any]:
    """Read a checkpoint, or a pickle of a dictionary of arrays.

    Args:
        path: A file of ``torch.save`` or of ``pickle.dump``.

    Raises:
        CheckpointError: If the file is missing, damaged, no dictionary, or
            holds an object that could run code; names the file and the
            object.
    """
    path = Path(path).expanduser()
    if not path.is_file() or is_zip(path):
        return load_checkpoint_file(path)
    with path.open('rb') as file:
        try:
            content = _ArrayUnpickler(file, encoding='latin1').load()
        except _RefusedError as error:
            raise CheckpointError(
                f'{path}: refused, because it holds {error}, which is not '
                'data and could run code'
            ) from None
        except Exception as error:
            raise CheckpointError(
                f'{path}: cannot be read as a pickle of arrays; it is cut '
                'off, damaged or of another kind: download or copy it again'
            ) from error
    if content == _TORCH_MAGIC:
        return load_checkpoint_file(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{path}: holds a {type(content).__name__} instead of arrays by '
            'name'
        )
    return content


class _RefusedError(Exception):
    """An object that is not data."""


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and Python's own containers, nothing else."""

    def find_class(self, module: str, name: str) -> Callable:
        """Return what a pickle may call."""
        # NumPy 2 moved the module; files of either version are to be read.
        module = module.replace('numpy._core', 'numpy.core')
        allowed = _allowed()
        if (module, name) not in allowed:
            raise _RefusedError(f'{module}.{name}')
        return allowed[module, name]


def _allowed() -> dict[tuple[str, str], Callable]:
    core = getattr(np, '_core' if hasattr(np, '_core') else 'core')
    multiarray = core.multiarray
    module = 'numpy.core.multiarray'
    return {
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        (module, '_reconstruct'): multiarray._reconstruct,
        (module, 'scalar'): multiarray.scalar,
        ('collections', 'OrderedDict'): OrderedDict,
        ('_codecs', 'encode'): _encode,
    }


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for the function by which old protocols store bytes."""
    if encoding != 'latin1':
        raise _RefusedError(f'_codecs.encode({encoding!r})')
    return text.encode(encoding)
