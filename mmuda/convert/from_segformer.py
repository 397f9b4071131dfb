# Copyright (c) mmuda authors.
"""Names of the published MiT (SegFormer's encoder) and of mmseg's.

Published are the ImageNet weights of MiT-B0 to B5, and every checkpoint of
DAFormer, HRDA and MIC has one inside. There the queries and the keys with the
values are two layers, here they are one, queries first; linear layers of the
feed-forward network are 1x1 convolutions here.

How sure the names are: the numbers of the published code that the tests
compare with are stored by them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mmuda.models.backbones import MiT
from mmuda.utils.errors import CheckpointError

from .published import Shapes, side
from .state_dicts import StateDict, rename_exactly

# Before q and kv are joined, and after.
_JOINED = '.attn.qkv.'
_PARTS = ('.attn.q.', '.attn.kv.')
_BLOCK = re.compile(r'(?:^|\.)block(\d+)\.(\d+)\.')
_OWN_BLOCK = re.compile(r'(?:^|\.)layers\.(\d+)\.1\.(\d+)\.')
# Linear layers there, 1x1 convolutions here.
_CONVOLUTIONS = ('.ffn.layers.0.weight', '.ffn.layers.4.weight')
_STAGE = {
    'patch_embed{stage}.proj.': 'layers.{index}.0.projection.',
    'patch_embed{stage}.norm.': 'layers.{index}.0.norm.',
    'norm{stage}.': 'layers.{index}.2.',
}
_IN_BLOCK = {
    'norm1.': 'norm1.',
    'attn.qkv.': 'attn.attn.in_proj_',
    'attn.proj.': 'attn.attn.out_proj.',
    'attn.sr.': 'attn.sr.',
    'attn.norm.': 'attn.norm.',
    'norm2.': 'norm2.',
    'mlp.fc1.': 'ffn.layers.0.',
    'mlp.dwconv.dwconv.': 'ffn.layers.1.',
    'mlp.fc2.': 'ffn.layers.4.',
}
_CLASSIFIER = ('head.weight', 'head.bias')
_HINT = 'Expected is the encoder of a SegFormer (MiT-B0 to B5).'


def mit_names(depths: Iterable[int]) -> dict[str, str]:
    """List the names of an encoder: published, q and kv joined, to mmseg's.

    Args:
        depths: Blocks of each stage. All are listed as if they reduced the
            keys and values, which those of the last stage don't.
    """
    parts: dict[str, str] = {}
    for index, depth in enumerate(depths):
        for old, new in _STAGE.items():
            stage = old.format(stage=index + 1)
            parts[stage] = new.format(index=index)
        for block in range(depth):
            for old, new in _IN_BLOCK.items():
                name = f'block{index + 1}.{block}.{old}'
                parts[name] = f'layers.{index}.1.{block}.{new}'
    return {
        old + kind: new + kind
        for old, new in parts.items()
        for kind in ('weight', 'bias')
    }


def published_depths(names: Iterable[str]) -> tuple[int, ...]:
    """Blocks of each stage.

    Args:
        names: Published names of tensors.
    """
    found = [m for m in map(_BLOCK.search, names) if m]
    return _depths((int(m[1]) - 1, int(m[2])) for m in found)


def own_depths(names: Iterable[str]) -> tuple[int, ...]:
    """Blocks of each stage.

    Args:
        names: mmseg's names of tensors.
    """
    found = [m for m in map(_OWN_BLOCK.search, names) if m]
    return _depths((int(m[1]), int(m[2])) for m in found)


def _depths(places: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    depths = [0, 0, 0, 0]
    for stage, block in places:
        if stage < len(depths):
            depths[stage] = max(depths[stage], block + 1)
    return tuple(depths)


def with_joined_attention(tensors: Mapping[str, Tensor]) -> StateDict:
    """Make one layer of those of the queries and of the keys and values.

    Args:
        tensors: By published name.
    """
    queries, others = _PARTS
    joined: StateDict = {}
    for name, values in tensors.items():
        partner = name.replace(queries, others)
        if queries in name and partner in tensors:
            values = torch.cat([values, tensors[partner]])
            joined[name.replace(queries, _JOINED)] = values
        elif (
            others not in name or name.replace(others, queries) not in tensors
        ):
            joined[name] = values
    return joined


def with_split_attention(tensors: Mapping[str, Tensor]) -> StateDict:
    """Undo :func:`with_joined_attention`.

    Args:
        tensors: By published name, q and kv joined.
    """
    split: StateDict = {}
    for name, values in tensors.items():
        if _JOINED not in name:
            split[name] = values
            continue
        width = len(values) // 3
        for part, piece in zip(
            _PARTS, values.split([width, 2 * width]), strict=True
        ):
            split[name.replace(_JOINED, part)] = piece
    return split


def with_convolutions(tensors: Mapping[str, Tensor]) -> StateDict:
    """Make the linear layers of feed-forward networks 1x1 convolutions.

    Args:
        tensors: By mmseg's name, with linear layers.
    """
    return {
        name: values[:, :, None, None]
        if name.endswith(_CONVOLUTIONS) and values.ndim == 2
        else values
        for name, values in tensors.items()
    }


def with_linear_layers(tensors: Mapping[str, Tensor]) -> StateDict:
    """Undo :func:`with_convolutions`.

    Args:
        tensors: By mmseg's name.
    """
    return {
        name: values.flatten(1)
        if name.endswith(_CONVOLUTIONS) and values.shape[2:] == (1, 1)
        else values
        for name, values in tensors.items()
    }


def mit_shapes(tensors: Mapping[str, Tensor]) -> Shapes | None:
    """Shapes of all tensors of the encoder that some are of.

    Args:
        tensors: By mmseg's name.

    Returns:
        By mmseg's name; None if they are no encoder's.
    """
    depths = own_depths(tensors)
    stages = range(len(depths))
    widths = [side(tensors, f'layers.{i}.2.weight') for i in stages]
    if not all(depths) or not all(widths):
        return None
    # Blocks of a stage are alike; it can't be built on the meta device.
    encoder = MiT(
        in_channels=side(tensors, 'layers.0.0.projection.weight', 1) or 1,
        embed_dims=widths[0],
        num_layers=(1, 1, 1, 1),
        num_heads=[width // widths[0] for width in widths],
        patch_sizes=[
            side(tensors, f'layers.{i}.0.projection.weight', 2) or 1
            for i in stages
        ],
        sr_ratios=[
            side(tensors, f'layers.{i}.1.0.attn.sr.weight', 2) or 1
            for i in stages
        ],
        mlp_ratio=side(tensors, 'layers.0.1.0.ffn.layers.0.weight')
        // widths[0]
        or 1,
    )
    return {
        _OWN_BLOCK.sub(rf'layers.\1.1.{block}.', name): tuple(tensor.shape)
        for name, tensor in encoder.state_dict().items()
        for block in range(_blocks_of(name, depths))
    }


def _blocks_of(name: str, depths: Sequence[int]) -> int:
    found = _OWN_BLOCK.search(name)
    return depths[int(found[1])] if found else 1


def backbone_from_published(
    state_dict: Mapping[str, Tensor], path: str = 'the network'
) -> StateDict:
    """Rename an encoder to mmseg's names; a classifier is left out.

    Args:
        state_dict: Tensors by published name.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    names = mit_names(published_depths(state_dict))
    given = with_joined_attention(
        {k: v for k, v in state_dict.items() if k not in _CLASSIFIER}
    )
    own = with_convolutions({names.get(k, k): v for k, v in given.items()})
    names = fitting_names(own, mit_shapes(own), names, path, _HINT)
    return with_convolutions(rename_exactly(given, names, path, _HINT))


def backbone_to_published(
    state_dict: Mapping[str, Tensor], path: str = 'the network'
) -> StateDict:
    """Rename an encoder to the published names.

    Args:
        state_dict: Tensors by mmseg's name.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    names = mit_names(own_depths(state_dict))
    shapes = mit_shapes(state_dict)
    names = fitting_names(state_dict, shapes, names, path, _HINT)
    back = {new: old for old, new in names.items()}
    given = with_linear_layers(state_dict)
    return with_split_attention(rename_exactly(given, back, path, _HINT))


def fitting_names(
    own: Mapping[str, Tensor],
    shapes: Shapes | None,
    names: Mapping[str, str],
    path: str,
    hint: str,
) -> dict[str, str]:
    """Compare tensors with those of the network that their sizes are of.

    Args:
        own: By our name.
        shapes: What they must be, by our name; None if that is not known.
        names: Our name by published name.
        path: The file, for messages.
        hint: Last sentence of messages.

    Returns:
        Of the names those of tensors that there must be.

    Raises:
        CheckpointError: The network is not known, or a shape does not fit.
    """
    if shapes is None:
        raise CheckpointError(f'{path} holds no network that is known. {hint}')
    published = {new: old for old, new in names.items()}
    # What sizes are read from may be missing, which renaming tells.
    whole = all(n in own for n in shapes if not n.endswith('batches_tracked'))
    for name, shape in shapes.items() if whole else ():
        if name in own and tuple(own[name].shape) != shape:
            raise CheckpointError(
                f'{path}: {published[name]} has the shape '
                f'{tuple(own[name].shape)}, but {shape} would fit the rest '
                f'of the network. {hint}'
            )
    return {old: new for old, new in names.items() if new in shapes}
