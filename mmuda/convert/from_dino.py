# Copyright (c) mmuda authors.
"""Files of DINOv2 and DINOv3, and what is made of them.

Their backbones have the names of ``DINOVisionTransformer``, which reads the
hub's files as they are. Files of their trainings have more around them, and
another size of patches or images needs other weights.

How sure the names are: those of DINOv2 were read in its definition, those of
DINOv3 in Hugging Face's converter; no released file was looked at.
"""

import math
import re
from collections.abc import Mapping

from torch import Tensor, cat
from torch.nn.functional import interpolate

from mmuda.utils.errors import CheckpointError

from .published import Layout, Shapes, side
from .state_dicts import StateDict

_BLOCK = re.compile(r'blocks\.(?:\d+\.)*?(\d+)\.(?=[a-z])')
# Around a backbone in checkpoints of trainings, the teacher's first.
_WRAPPERS = ('teacher.backbone.', 'teacher.', 'backbone.')
_HEADS = ('head.', 'dino_head.', 'ibot_head.')
_HINT = (
    'Expected is a ViT-S, B or L of DINOv2 (with or without registers) or '
    'DINOv3.'
)


def backbone_of(state_dict: Mapping[str, Tensor], path: str) -> StateDict:
    """Take the backbone out of a file, with the names of the hub's.

    Args:
        state_dict: Tensors of a file of the hub, or of a training, whose
            teacher is taken, and whose blocks may be in chunks.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown, a shape differs, or
            the perceptrons are gated.
    """
    named = dict(state_dict)
    for wrapper in _WRAPPERS:
        if any(name.startswith(wrapper) for name in named):
            named = {
                name.removeprefix(wrapper): value
                for name, value in named.items()
                if name.startswith(wrapper)
            }
    named = {
        _BLOCK.sub(r'blocks.\1.', name): value
        for name, value in named.items()
        if not name.startswith(_HEADS)
    }
    if any('.mlp.w' in name for name in named):
        raise CheckpointError(
            f'{path} is of a transformer with gated perceptrons (ViT-S+, H+, '
            'g or 7B), which DINOVisionTransformer does not have; take ViT-S, '
            'B or L.'
        )
    return dino_layout(named).from_published(named, path)


def dino_layout(state_dict: Mapping[str, Tensor], prefix: str = '') -> Layout:
    """List the tensors that a backbone should have, by its own sizes.

    Args:
        state_dict: Its tensors, with the hub's names.
        prefix: Of mmuda's names.
    """
    channels = side(state_dict, 'cls_token', 2)
    patch = side(state_dict, 'patch_embed.proj.weight', 2)
    blocks = [
        int(name.split('.')[1])
        for name in state_dict
        if re.match(r'blocks\.\d+\.', name)
    ]
    rotary = 'rope_embed.periods' in state_dict
    shapes: Shapes = dict(cls_token=(1, 1, channels))
    if rotary:
        periods = tuple(state_dict['rope_embed.periods'].shape)
        shapes['rope_embed.periods'] = periods
    else:
        patches = max(side(state_dict, 'pos_embed', 1), 1)
        shapes['pos_embed'] = (1, patches, channels)
    shapes['mask_token'] = (1, channels)
    registers = 'storage_tokens' if rotary else 'register_tokens'
    if registers in state_dict:
        count = side(state_dict, registers, 1)
        shapes[registers] = (1, count, channels)
    shapes['patch_embed.proj.weight'] = (channels, 3, patch, patch)
    shapes['patch_embed.proj.bias'] = (channels,)
    for number in range(1 + max(blocks, default=0)):
        shapes |= _block(f'blocks.{number}.', channels, rotary)
    shapes |= _affine('norm', channels)
    return Layout({n: f'{prefix}{n}' for n in shapes}, shapes, _HINT)


def _block(prefix: str, channels: int, rotary: bool) -> Shapes:
    shapes: Shapes = {
        **_affine(f'{prefix}norm1', channels),
        **_affine(f'{prefix}attn.qkv', 3 * channels, channels),
    }
    if rotary:
        shapes[f'{prefix}attn.qkv.bias_mask'] = (3 * channels,)
    return {
        **shapes,
        **_affine(f'{prefix}attn.proj', channels, channels),
        f'{prefix}ls1.gamma': (channels,),
        **_affine(f'{prefix}norm2', channels),
        **_affine(f'{prefix}mlp.fc1', 4 * channels, channels),
        **_affine(f'{prefix}mlp.fc2', channels, 4 * channels),
        f'{prefix}ls2.gamma': (channels,),
    }


def _affine(name: str, outputs: int, *inputs: int) -> Shapes:
    return {f'{name}.weight': (outputs, *inputs), f'{name}.bias': (outputs,)}


def resized_backbone(
    state_dict: Mapping[str, Tensor], patch_size: int, image_size: int
) -> StateDict:
    """Resize patches and positions of a backbone, as Rein's authors do.

    Both by bicubic interpolation: kernels to the size of a patch, positions
    to the grid of an image.

    Args:
        state_dict: As of :func:`backbone_of`.
        patch_size: Side of a patch in pixels.
        image_size: Side of an image in pixels, for which positions need no
            further resizing; without effect on DINOv3.
    """
    resized = dict(state_dict)
    kernel = 'patch_embed.proj.weight'
    resized[kernel] = _resized(resized[kernel], patch_size)
    if 'pos_embed' in resized:
        first, rest = resized['pos_embed'].tensor_split([1], dim=1)
        length = math.isqrt(rest.shape[1])
        grid = rest.transpose(1, 2).unflatten(2, (length, length))
        grid = _resized(grid, image_size // patch_size)
        parts = (first, grid.flatten(2).transpose(1, 2))
        resized['pos_embed'] = cat(parts, dim=1)
    return resized


def _resized(maps: Tensor, size: int) -> Tensor:
    if maps.shape[-1] == size:
        return maps
    return interpolate(maps, (size, size), mode='bicubic')
